import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from dev.aws.authorizer import Gatekeeper, RefusedError
from dev.aws.template import Authorizer

GUARD = Authorizer("GuardFunction", ("authorization",), seconds=60)


@dataclass
class Guard:
    """Counts how often it is asked."""

    allows: bool = True
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    clock: float = 0.0

    async def invoke(self, _function: str, event: bytes) -> bytes:
        self.asked.append(json.loads(event))
        return json.dumps({"isAuthorized": self.allows, "context": {"n": len(self.asked)}}).encode()

    def gatekeeper(self) -> Gatekeeper:
        return Gatekeeper(self.invoke, lambda: self.clock)


def event(**headers: str) -> dict[str, Any]:
    return {"headers": headers, "rawPath": "/", "requestContext": {"http": {"method": "GET"}}}


def admit(gatekeeper: Gatekeeper, **headers: str) -> dict[str, Any]:
    admitted = asyncio.run(gatekeeper.admit(GUARD, event(**headers)))
    return admitted["requestContext"]["authorizer"]["lambda"]


def test_an_answer_is_kept_for_the_same_caller_until_its_time_is_over() -> None:
    guard = Guard()
    gatekeeper = guard.gatekeeper()
    assert admit(gatekeeper, authorization="me") == {"n": 1}
    guard.clock = 59
    assert admit(gatekeeper, authorization="me") == {"n": 1}
    assert admit(gatekeeper, authorization="you") == {"n": 2}
    guard.clock = 61
    assert admit(gatekeeper, authorization="me") == {"n": 3}


def test_who_says_nothing_is_unauthorized_and_nobody_is_asked() -> None:
    guard = Guard()
    with pytest.raises(RefusedError) as refused:
        admit(guard.gatekeeper())
    assert (refused.value.status, refused.value.message) == (401, "Unauthorized")
    assert guard.asked == []


def test_a_refusal_is_kept_as_well() -> None:
    guard = Guard(allows=False)
    gatekeeper = guard.gatekeeper()
    for _ in range(2):
        with pytest.raises(RefusedError) as refused:
            admit(gatekeeper, authorization="me")
        assert (refused.value.status, refused.value.message) == (403, "Forbidden")
    assert len(guard.asked) == 1


@pytest.mark.parametrize("name", ["Zoë Müller, Köln", "利用者", "https://login.salesforce.com/id/00D/005", "😀"])
def test_whatever_a_person_is_called_arrives_as_the_authorizer_says_it(name: str) -> None:
    async def invoke(_function: str, _event: bytes) -> bytes:
        return json.dumps({"isAuthorized": True, "context": {"user_id": name}}, ensure_ascii=False).encode()

    assert admit(Gatekeeper(invoke), authorization="me") == {"user_id": name}
