"""Whether an instance is reached, which n8n it is, and what its API key may do."""

import time
from collections.abc import Sequence
from math import ceil
from typing import Any, cast

from pydantic import BaseModel, Field

from flomastr.database.session import Database
from flomastr.errors import NotFoundError
from flomastr.n8n import client, instances
from flomastr.n8n.api_keys import KEY_UNREADABLE
from flomastr.n8n.client import Answer, N8nError, Outcome, Reason, Request
from flomastr.n8n.instances import Connection, key_of
from flomastr.workflows.cleaning import DataNotes, clean_text

SECONDS = 5.0
WEIGHT_OF_SECOND = 200  # as of a file, since nobody else is served meanwhile
MOST_WEIGHT = int(SECONDS) * WEIGHT_OF_SECOND

LISTS = ("/api/v1/executions?limit=1", "/api/v1/workflows?limit=1")
SETTINGS = "/rest/settings"  # says the version without a key, in some versions


class Right(BaseModel):
    granted: bool
    reason: Reason | None = Field(description="Why not, for programs.")
    detail: str | None = Field(description="And for people.")


class Reach(BaseModel):
    """`works`: executions can be pulled."""

    works: bool
    version: str | None = Field(description="Of n8n, if it says so.")
    executions: Right
    workflows: Right = Field(description="Without it names of workflows are known from their runs alone.")


async def tested(name: str, db: Database) -> Reach:
    """What it weighs is known in the end, so the rest is given back. Raises NotFoundError, UnavailableError."""
    connection = db.heavier(MOST_WEIGHT).one(instances.connection(name))
    began = time.monotonic()
    try:
        return await asked(connection)
    finally:
        db.renewed().weighing(-unused_weight(began)).admitted()


async def asked(connection: Connection) -> Reach:
    """By three requests at once. Raises NotFoundError if there is no address, UnavailableError."""
    if connection.n8n_url is None:
        raise NotFoundError("The instance has no address.")
    key = key_of(connection)
    if key is None:
        refused = N8nError("key_unreadable", KEY_UNREADABLE)
        return reach([refused, refused, refused])
    url = connection.n8n_url
    requests = [*(Request(url, key, path) for path in LISTS), Request(url, "", SETTINGS)]
    return reach(await client.outcomes(requests, SECONDS))


def unused_weight(began: float) -> int:
    """What is left of MOST_WEIGHT after what was done since `began`, which is of time.monotonic()."""
    return MOST_WEIGHT - min(MOST_WEIGHT, ceil((time.monotonic() - began) * WEIGHT_OF_SECOND))


def reach(outcomes: Sequence[Outcome]) -> Reach:
    executions, workflows, settings = outcomes
    right = of_a_list(executions)
    return Reach(works=right.granted, version=version_in(settings), executions=right, workflows=of_a_list(workflows))


def of_a_list(outcome: Outcome) -> Right:
    match client.read(outcome):
        case Answer(content={"data": [*_]}):
            return Right(granted=True, reason=None, detail=None)
        case N8nError() as error:
            return Right(granted=False, reason=error.reason, detail=str(error))
        case _:
            return Right(granted=False, reason="not_n8n", detail="The answer is not one of n8n's API.")


def version_in(outcome: Outcome) -> str | None:
    answer = client.read(outcome)
    data = answer.content.get("data") if isinstance(answer, Answer) else None
    version = cast(dict[str, Any], data).get("versionCli") if isinstance(data, dict) else None
    return clean_text(version[:50], DataNotes()) if isinstance(version, str) else None
