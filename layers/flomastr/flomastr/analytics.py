"""What executions came to."""

from uuid import UUID

from pydantic import BaseModel

from flomastr.executions import Status
from flomastr.flight import Query
from flomastr.ids import first_id_in


class StatusCount(BaseModel):
    status: Status
    mode: str | None
    executions: int


class Summary(BaseModel):
    """Of the executions that started in the period. `successful` and `failed` are final, `running` is not final."""

    total_executions: int
    successful: int
    failed: int  # error and crashed
    running: int
    success_rate: float  # per cent of successful and failed
    avg_duration_seconds: float  # of the finished ones, waiting included
    period_days: int
    by_status_and_mode: list[StatusCount]


def summary(workflow_id: UUID | None, days: int) -> Query[Summary]:
    return Query(
        """
        WITH counted AS (
          SELECT
            e.status, e.mode, count(*) AS executions, count(e.finished_at) AS finished,
            sum(extract(EPOCH FROM greatest(e.finished_at - e.started_at, '0'))) AS seconds
          FROM app.workflow_executions AS e
          WHERE e.id BETWEEN %(first)s AND %(last)s
            AND e.started_at >= now() - make_interval(days => %(days)s)
            AND (%(workflow_id)s::uuid IS NULL OR e.workflow_id = %(workflow_id)s)
          GROUP BY e.status, e.mode
        ),
        totals AS (
          SELECT
            coalesce(sum(executions), 0)::bigint AS total_executions,
            coalesce(sum(executions) FILTER (WHERE status = 'success'), 0)::bigint AS successful,
            coalesce(sum(executions) FILTER (WHERE status IN ('error', 'crashed')), 0)::bigint AS failed,
            coalesce(sum(executions) FILTER (WHERE NOT app.is_final(status)), 0)::bigint AS running,
            coalesce(sum(seconds) FILTER (WHERE app.is_final(status)), 0) AS seconds,
            coalesce(sum(finished) FILTER (WHERE app.is_final(status)), 0) AS finished,
            coalesce(jsonb_agg(jsonb_build_object('status', status, 'mode', mode, 'executions', executions)
              ORDER BY executions DESC, status, mode), '[]') AS by_status_and_mode
          FROM counted
        )
        SELECT
          total_executions, successful, failed, running, by_status_and_mode, %(days)s AS period_days,
          coalesce(round(100.0 * successful / nullif(successful + failed, 0), 2), 0) AS success_rate,
          coalesce(round(seconds / nullif(finished, 0), 3), 0) AS avg_duration_seconds
        FROM totals
        """,
        {"workflow_id": workflow_id, "days": days, "first": first_id_in(-days - 1), "last": first_id_in(2)},
        Summary,
    )
