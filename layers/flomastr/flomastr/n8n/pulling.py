"""One instance in one run of `pull`: what it is asked next, and what becomes of the answer.

First the list of executions, then single ones by their ids, then workflows. Each answer is recorded with how far that
is, so that the next run goes on from a killed one.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast
from urllib.parse import quote
from uuid import UUID

from flomastr.n8n import progress
from flomastr.n8n.client import Answer, N8nError, Request
from flomastr.n8n.progress import Progress, Run
from flomastr.n8n.records import Instance, Records, wait_after
from flomastr.n8n.single_runs import SingleRuns, ToAsk
from flomastr.workflows.cleaning import UNSTORABLE
from flomastr.workflows.n8n_event import Event
from flomastr.workflows.n8n_events import to_events
from flomastr.workflows.recording import MAX_BATCH

PAGE = 25  # runs with data, of which n8n has some of 3 MB; a cursor keeps to it
ASKED = 50  # of the newest ids that are open, and of the others
ASKED_SPARING = 250  # the same, where lists are read without data
WORKFLOWS = 25
WORKFLOWS_EVERY = timedelta(hours=1)

NO_LIST = N8nError("not_n8n", "The answer is not one of n8n's API.")
# What a run's data may be the reason for, so that it is asked for without. n8n may have ended for want of memory.
OF_DATA = ("too_large", "failing", "timed_out", "not_n8n", "no_http", "no_connection")

type Kind = Literal["list", "run", "workflows", "nothing"]


@dataclass
class Pulling:
    instance: Instance
    api_key: str
    records: Records
    progress: Progress
    passed_id: int  # by the runs before this one
    spared: set[str]  # n8n's ids of workflows
    has_data: bool = True
    is_listed: bool = False
    ids: deque[ToAsk] | None = None  # None: not known yet
    last_turn: int | None = None
    workflows_cursor: str | None = None
    has_begun: bool = False
    is_done: bool = False
    seconds: float = 0.0  # that it took of this run
    counts: Counter[str] = field(default_factory=Counter[str])  # since the last step

    @classmethod
    def begun(cls, instance: Instance, api_key: str, records: Records) -> "Pulling":
        """After a failure a page is read without data, and where runs have some that n8n cannot give, all are."""
        has_data = not instance.failures and not instance.spared
        return cls(instance, api_key, records, instance.progress, instance.known_id, {*instance.spared}, has_data)

    @property
    def tenant_id(self) -> UUID:
        return self.instance.tenant_id

    @property
    def runs(self) -> SingleRuns:
        return SingleRuns(self.records)

    @property
    def is_suspect(self) -> bool:
        """A run was killed while this was being read."""
        return self.instance.seconds is None

    @property
    def kind(self) -> Kind:
        if not self.is_listed:
            return "list"
        if self.ids is None:
            self.ids = deque(self.runs.to_ask(ASKED_SPARING if self.spared else ASKED))
            self.begin_run()
        if self.ids:
            return "run"
        return "workflows" if self.wants_workflows else "nothing"

    @property
    def wants_workflows(self) -> bool:
        at = self.instance.workflows_at
        return at is None or datetime.now(UTC) - at > WORKFLOWS_EVERY

    def request(self) -> Request | None:
        """What is asked next. None: all is read, which is recorded."""
        if not self.has_begun:
            self.records.begin()
            self.has_begun = True
        match self.kind:
            case "list":
                path = f"executions?limit={PAGE}&includeData={str(self.has_data).lower()}"
                path += cursor_of(self.progress.cursor)
            case "run":
                assert self.ids
                path = f"executions/{self.ids[0].id}?includeData={str(self.has_data).lower()}"
            case "workflows":
                path = f"workflows?limit={WORKFLOWS}&excludePinnedData=true{cursor_of(self.workflows_cursor)}"
            case "nothing":
                self.records.done(self.last_turn, self.seconds)
                self.is_done = True
                return None
        return Request(self.instance.n8n_url, self.api_key, f"/api/v1/{path}")

    def take(self, answer: Answer | N8nError) -> None:
        """Raises psycopg.Error, ReplacedError."""
        match self.kind:
            case "list":
                self.take_list(answer)
            case "run":
                self.take_run(answer)
            case _:
                self.take_workflows(answer)

    def take_list(self, answer: Answer | N8nError) -> None:
        rows = [] if isinstance(answer, N8nError) else rows_of(answer)
        if isinstance(answer, N8nError) or rows is None:
            self.refused(answer if isinstance(answer, N8nError) else NO_LIST)
            return
        events = to_events(rows, answer.size)
        page = progress.read(self.progress, [Run.told_by(event) for event in events], next_cursor(answer))
        spared = set[int]() if self.has_data else self.spared_runs(events) & {*page.listed}
        asking = page.unfinished if self.has_data else [id for id in page.listed if id not in spared]
        self.count(len(events), self.records.page(events, page, asking, len(spared)), len(spared))
        self.progress, self.is_listed, self.has_data = page.progress, page.is_last, not self.spared
        self.passed_id = 0 if page.anew else self.passed_id

    def spared_runs(self, events: Sequence[Event]) -> set[int]:
        """Ids of runs that have ended, and whose data is not asked for."""
        runs = [Run.told_by(event) for event in events if event.n8n_workflow_id in self.spared]
        return {run.id for run in runs if run.id is not None and run.has_ended}

    def refused(self, error: N8nError) -> None:
        """A page that is too large is read without data; a cursor that n8n does not know is given up."""
        if error.reason == "too_large" and self.has_data:
            self.has_data = False
        elif error.reason == "refused_request" and self.progress.cursor:
            self.progress = progress.restarted(self.progress)
            self.fail(error)
        else:
            self.fail(error)

    def take_run(self, answer: Answer | N8nError) -> None:
        assert self.ids
        run = self.ids[0]
        if isinstance(answer, N8nError) and answer.reason != "not_found":
            self.run_refused(run, answer)
            return
        event = None if isinstance(answer, N8nError) else to_events([answer.content], answer.size)[0]
        is_settled, lacks_data = self.is_settled(run, event), event is not None and not self.has_data
        spared = event.n8n_workflow_id if event and is_settled and lacks_data and run.has_ended_n8n else None
        rejected = self.runs.record(run, event, is_settled=is_settled, lacks_data=lacks_data, spared=spared)
        self.spared |= {spared} if spared else set()
        self.count(int(event is not None), rejected, int(is_settled and lacks_data))
        if event and self.is_only_looked_at(run) and has_ended(event) and not is_settled:
            self.ids[0], self.has_data = replace(run, workflow_id=event.n8n_workflow_id), True
            return
        self.ids.popleft()
        self.last_turn = min(run.id, self.last_turn or run.id) if run.is_turn else self.last_turn
        self.begin_run()

    def begin_run(self) -> None:
        """A run of a workflow that is spared is asked for without data, and first one that is of any."""
        run = self.ids[0] if self.ids else None
        is_spared = run is not None and (run.workflow_id in self.spared or self.is_only_looked_at(run))
        self.has_data = run is None or not (run.is_given_up or is_spared)

    def is_only_looked_at(self, run: ToAsk) -> bool:
        """Without data, since its workflow is not known yet and may be spared."""
        return run.workflow_id is None and bool(self.spared) and not run.is_given_up

    def run_refused(self, run: ToAsk, error: N8nError) -> None:
        """It is asked for without data, and with it once more in the next pull, unless that was too much."""
        assert self.ids
        if not self.has_data or error.reason not in OF_DATA:
            self.fail(error)
            return
        if error.reason != "too_large":
            self.ids[0] = self.runs.tried(run)
        self.has_data = False

    def is_settled(self, run: ToAsk, event: Event | None) -> bool:
        """Whether it need not be asked for again. One that n8n has not may be about to be written, at first."""
        if event is None:
            return run.id <= self.passed_id
        is_too_large = run.tries == 0 and not self.is_only_looked_at(run)
        is_spared = event.n8n_workflow_id in self.spared
        return has_ended(event) and (self.has_data or is_too_large or is_spared or run.is_given_up)

    def take_workflows(self, answer: Answer | N8nError) -> None:
        """A key that may not list workflows lists executions all the same."""
        if isinstance(answer, N8nError) and answer.reason not in ("right_missing", "not_found", "too_large"):
            self.fail(answer)
            return
        rows = rows_of(answer) if isinstance(answer, Answer) else None
        self.workflows_cursor = next_cursor(answer) if isinstance(answer, Answer) and rows else None
        events = to_events(rows or [], answer.size if isinstance(answer, Answer) else 0)
        self.count(0, self.records.workflows(events, is_last=not self.workflows_cursor))
        if not self.workflows_cursor:
            self.instance = replace(self.instance, workflows_at=datetime.now(UTC))

    def fail(self, error: N8nError) -> None:
        """Ends this run of the instance, and the next ones wait for ever longer."""
        wait = max(wait_after(self.instance.failures), timedelta(seconds=error.retry_after))
        self.records.failed(str(error), wait, self.progress, self.seconds)
        self.is_done = True
        self.counts["instances_failed"] += 1

    def put_off(self) -> None:
        """To a later run, which goes on."""
        self.records.put_off(self.seconds)

    def count(self, runs: int, rejected: int, without_data: int = 0) -> None:
        self.counts.update(runs_read=runs, runs_rejected=rejected)
        if without_data:
            self.counts["runs_without_data"] += without_data


def has_ended(event: Event) -> bool:
    return Run.told_by(event).has_ended or event.outcome is not None


def cursor_of(cursor: str | None) -> str:
    return f"&cursor={quote(cursor, safe='')}" if cursor else ""


def rows_of(answer: Answer) -> list[Any] | None:
    """None: it is no list of n8n's."""
    data, cursor = answer.content.get("data"), answer.content.get("nextCursor")
    return cast(list[Any], data)[:MAX_BATCH] if isinstance(data, list) and (not cursor or fits(cursor)) else None


def next_cursor(answer: Answer) -> str | None:
    return cast(str | None, answer.content.get("nextCursor")) or None


def fits(cursor: Any) -> bool:
    return isinstance(cursor, str) and len(cursor) <= 2000 and not UNSTORABLE.search(cursor)
