"""What a check says: how things are, what was seen, and what to do."""

from typing import Literal, NamedTuple

from pydantic import BaseModel

type Status = Literal["ok", "warn", "fail"]


class Verdict(NamedTuple):
    """Of one check. Where something has to be done, `to_do` says what."""

    status: Status
    seen: str
    to_do: str = ""


class Finding(BaseModel):
    """A verdict under the name of its check."""

    name: str
    status: Status
    seen: str
    to_do: str


class Report(BaseModel):
    """All findings, the worst status among them, and why other checks were left out, by name."""

    status: Status
    findings: list[Finding]
    skipped: dict[str, str]


class SkippedError(Exception):
    """There is nothing to look at. The message says why."""


def ok(seen: str) -> Verdict:
    """As it should be."""
    return Verdict("ok", seen)


def warn(seen: str, to_do: str) -> Verdict:
    """It serves, and something should be done."""
    return Verdict("warn", seen, to_do)


def fail(seen: str, to_do: str) -> Verdict:
    """It does not serve, or not safely."""
    return Verdict("fail", seen, to_do)
