"""What app.authorize is asked at the beginning of every transaction: may this caller do this, and where."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, LiteralString, Protocol

from flomastr.caller import Caller

AUTHORIZE: LiteralString = """
SELECT app.authorize(
  %(user_id)s, %(email)s, %(key_id)s, decode(%(key_hash)s, 'hex'), %(tenant)s, %(scope)s, %(milliseconds)s
), set_config('app.request_id', %(request_id)s, true)
"""

UNCOUNTED = "platform:"  # scopes of super admins, who are at no limit


ANSWERING_SECONDS = 0.2  # before the deadline, for the server to say that a statement ran out of time


class Entry(Protocol):
    """What a transaction begins with: a statement that sets its context, or refuses it."""

    entering: ClassVar[LiteralString]

    def params(self, deadline: float) -> dict[str, Any]:
        """Of the statement, which ends by that moment of time.monotonic()."""
        ...


@dataclass(frozen=True)
class AccessRequest:
    """Whether this caller may act in this tenant under this scope."""

    caller: Caller
    tenant: str | None  # id or slug; None is the caller's only tenant
    scope: str  # platform:... and me:... are outside tenants
    set_headers: Callable[[dict[str, str]], None] = field(
        default=lambda _: None, compare=False
    )  # headers of the answer
    weight: int = 1  # of the request, in requests
    request_id: str = ""  # which the history of rows tells
    is_counted: bool = False  # by a round trip of this request already
    replica_from: int | None = None  # the position in the log that a replica has to have; None: it may not answer
    entering: ClassVar[LiteralString] = AUTHORIZE

    @property
    def is_read(self) -> bool:
        return self.scope.endswith(":read")

    @property
    def is_limited(self) -> bool:
        return not (self.is_counted or self.scope.startswith(UNCOUNTED))

    def params(self, deadline: float) -> dict[str, Any]:
        left = max(1, int((deadline - time.monotonic() - ANSWERING_SECONDS) * 1000))
        asked = {"tenant": self.tenant, "scope": self.scope, "weight": self.weight, "milliseconds": left}
        return dict(self.caller) | asked | {"request_id": self.request_id}
