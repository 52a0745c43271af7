"""Percentiles of many histograms, each of which is kept as running totals, or as counts by the release before."""

from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from functions.analytics.handler import lambda_handler as analytics
from functions.rollup.handler import lambda_handler as rollup
from tests.support.archive_env import TODAY, ArchiveEnv
from tests.support.connected import connected
from tests.support.events import call
from tests.support.factories import Tenant

PERCENTILES = """
SELECT p.keys FROM (
  SELECT array_agg(app.histogram_of(
    h.keys, CASE WHEN h.kept THEN CASE WHEN 1 = ALL (h.counts) THEN '{}' ELSE app.running_totals(h.counts) END END,
    h.counts
  ))
  FROM jsonb_to_recordset(%s) AS h (keys smallint[], counts integer[], kept boolean)
) AS c (histograms)
CROSS JOIN LATERAL app.percentile_keys(c.histograms, ARRAY[1, 50, 95, 99, 100]) AS p
"""
AS_COUNTS = """
UPDATE app.execution_rollups
SET duration_counts = app.histogram_counts(duration_keys, duration_upto), duration_upto = NULL
"""
READ_BEFORE = """
SELECT sum(cardinality(r.duration_keys)), array_agg(DISTINCT r.duration_counts ORDER BY r.duration_counts)
FROM app.rollups_between(%(day)s, %(day)s + interval '1 day', %(day)s, %(day)s + interval '1 day', NULL, true) AS r
"""


def test_a_percentile_is_that_of_all_durations(env: ArchiveEnv) -> None:
    random = Random(1)
    for spread in [2, 40, 900] * 30:
        histograms = [
            Counter(random.randint(0, spread) for _ in range(random.choice([0, 1, 2, 30, 400])))
            for _ in range(random.randint(1, 8))
        ]
        durations = sorted(key for each in histograms for key in each.elements())
        rows = [
            {"keys": sorted(each), "counts": [each[key] for key in sorted(each)], "kept": random.random() < 0.8}
            for each in histograms
        ]
        wanted = [durations[-(-len(durations) * percent // 100) - 1] for percent in (1, 50, 95, 99, 100) if durations]
        assert percentiles(env, rows) == (wanted or [None] * 5)
    assert percentiles(env, []) is None


def percentiles(env: ArchiveEnv, histograms: list[dict[str, Any]]) -> list[int | None] | None:
    return env.superuser.execute(PERCENTILES, (Jsonb(histograms),)).fetchall()[0][0]


def test_what_the_release_before_has_kept_as_counts_is_read_and_folded(env: ArchiveEnv) -> None:
    tenant = env.make.tenant()
    workflow = env.make.workflow(tenant)

    def report(*seconds: float) -> None:
        for each in seconds:
            finished = TODAY - timedelta(days=1, seconds=-each)
            env.execution(tenant, workflow, 1, status="error", finished_at=finished)
        env.run(rollup)

    report(1, 1, 1, 5, 60)
    answers = asked(env, tenant)
    env.superuser.execute(AS_COUNTS)
    assert asked(env, tenant) == answers
    report(60, 60, 300)
    later = asked(env, tenant)
    told = [later[0]["totals"][f"{name}_seconds"] for name in ("p50", "p95", "max")]
    assert told == pytest.approx([5, 300, 300], rel=0.02)
    kept = "SELECT count(duration_upto), count(duration_counts) FROM app.execution_rollups"
    assert env.superuser.execute(kept).fetchall() == [(4, 0)]
    assert env.make.within(tenant.id, READ_BEFORE, {"day": TODAY.replace(hour=0) - timedelta(days=1)}) == (
        4,
        [[3, 1, 3, 1]],
    )


def asked(env: ArchiveEnv, tenant: Tenant) -> list[Any]:
    """All that is told of durations."""
    with connected(DATABASE_URL=env.app_url):
        answers = [
            call(analytics, "GET", f"/routes/analytics/{path}", caller=tenant.owner)
            for path in ("executions", "executions?group_by=workflow", "workflows", "workflows?sort=p95")
        ]
    return [{name: value for name, value in answer.json.items() if name != "as_of"} for answer in answers]
