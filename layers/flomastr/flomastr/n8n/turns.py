"""Whose turn it is in a run of `pull`: of the tenant that took least of this run and of the one before.

An instance that was being read when a run was killed comes after all others, and alone, since it may be the reason.
"""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from flomastr.http.weights import BYTES
from flomastr.n8n.pulling import Pulling

OF_TENANT = 2  # instances that are asked at once
SECONDS = 60  # of a run, that a tenant takes
MINUTES = 5  # between two runs: so much is recorded of a tenant as it might send by itself meanwhile


class Turns:
    """Of instances that are due, in this order of those that took the same."""

    def __init__(self, due: Sequence[Pulling]):
        self.waiting = [*due]
        self.asked = list[Pulling]()
        self.seconds = defaultdict[UUID, float](float)  # of this run, by tenant
        self.bytes = defaultdict[UUID, int](int)  # that its instances have answered
        self.before = defaultdict[UUID, float](float)
        for pulling in due:
            self.before[pulling.tenant_id] += pulling.instance.seconds or 0

    def next(self) -> Pulling | None:
        """Who is to be asked now. None: nobody, before one that is asked has answered."""
        if any(pulling.is_suspect for pulling in self.asked):
            return None
        found = min(filter(self.may_be_asked, self.waiting), key=self.rank, default=None)
        if found is None or (found.is_suspect and self.asked):
            return None
        self.waiting.remove(found)
        self.asked.append(found)
        return found

    def may_be_asked(self, pulling: Pulling) -> bool:
        tenant = pulling.tenant_id
        is_full = sum(other.tenant_id == tenant for other in self.asked) == OF_TENANT
        most = pulling.instance.requests_per_minute * MINUTES * BYTES
        return self.seconds[tenant] < SECONDS and self.bytes[tenant] < most and not is_full

    def rank(self, pulling: Pulling) -> tuple[bool, float, float]:
        if pulling.is_suspect:  # the one that has begun is read as far as it goes before the next
            return True, -pulling.seconds, 0.0
        tenant = pulling.tenant_id
        return False, self.before[tenant] + self.seconds[tenant], pulling.seconds

    def end(self, pulling: Pulling, seconds: float, size: int) -> None:
        """It has answered so many bytes, which took so long."""
        self.asked.remove(pulling)
        pulling.seconds += seconds
        self.seconds[pulling.tenant_id] += seconds
        self.bytes[pulling.tenant_id] += size
        if not pulling.is_done:
            self.waiting.append(pulling)
