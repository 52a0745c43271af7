"""The authorizer of a route, invoked as API Gateway invokes it, its answers cached for as long."""

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from dev.aws.events import Event, authorizer_event
from dev.aws.template import Authorizer

type Invoke = Callable[[str, bytes], Awaitable[bytes]]
type Answer = dict[str, Any]


class RefusedError(Exception):
    """API Gateway answers by itself, with this status and message, and does not invoke the function."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass
class Gatekeeper:
    """Lets a request pass with what the authorizer says of its caller, or refuses it."""

    invoke: Invoke
    now: Callable[[], float] = time.monotonic
    _kept: dict[tuple[str, ...], tuple[float, Answer]] = field(default_factory=dict)

    async def admit(self, authorizer: Authorizer, event: Event) -> Event:
        """The event with the authorizer's context in it."""
        identity = tuple(event["headers"].get(header, "") for header in authorizer.headers)
        if not all(identity):
            raise RefusedError(401, "Unauthorized")
        answer = await self._answer(authorizer, event, identity)
        if not answer["isAuthorized"]:
            raise RefusedError(403, "Forbidden")
        caller = {"authorizer": {"lambda": answer.get("context", {})}}
        return {**event, "requestContext": {**event["requestContext"], **caller}}

    async def _answer(self, authorizer: Authorizer, event: Event, identity: tuple[str, ...]) -> Answer:
        key = (authorizer.function, *identity)
        self._forget()
        if key not in self._kept:
            request = json.dumps(authorizer_event(event, identity)).encode()
            answer = json.loads(await self.invoke(authorizer.function, request))
            self._kept[key] = (self.now() + authorizer.seconds, answer)
        return self._kept[key][1]

    def _forget(self) -> None:
        """Drop the answers whose time is over."""
        now = self.now()
        self._kept = {key: kept for key, kept in self._kept.items() if kept[0] > now}
