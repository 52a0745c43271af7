"""Queries that fail as a test wishes, in a real database, and what became of them."""

from typing import Any, LiteralString

import psycopg
from pydantic import BaseModel

from flomastr.database.access import AccessRequest
from flomastr.database.pipeline import execute
from flomastr.database.query import Query
from flomastr.database.session import deadline_in
from tests.support.factories import Tenant

# Fails in the first `times` attempts.
FAILING_QUERIES = """
CREATE TABLE public.attempts (number integer);
INSERT INTO public.attempts VALUES (0);
CREATE TABLE public.written (what text UNIQUE);
CREATE FUNCTION public.raise_state(state text, times integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE attempt integer := (SELECT number FROM public.attempts);
BEGIN
  IF attempt > times THEN RETURN attempt; END IF;
  IF state = 'killed' THEN PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(5); END IF;
  RAISE EXCEPTION USING errcode = state, constraint = 'workflow_not_found', message = 'Some message.';
END $$;
GRANT ALL ON public.attempts, public.written TO flo_app;
"""

type Superuser = psycopg.Connection[tuple[Any, ...]]


class Answered(BaseModel):
    attempt: int


class Written(BaseModel):
    what: str


def failing(state: str, times: int = 1) -> Query[Answered]:
    return Query(
        "SELECT public.raise_state(%(state)s, %(times)s) AS attempt",
        {"state": state, "times": times},
        Answered,
        conflict="Taken.",
    )


def write(what: str) -> Query[Written]:
    return Query("INSERT INTO public.written VALUES (%(what)s) RETURNING what", {"what": what}, Written)


def simple(statement: LiteralString) -> Query[Answered]:
    return Query(statement, {}, Answered)


def access(tenant: Tenant, scope: str = "workflows:write") -> AccessRequest:
    return AccessRequest(tenant.owner, str(tenant.id), scope)


def executed(tenant: Tenant, *queries: Query[Any], scope: str = "workflows:write", **how: Any) -> list[list[Any]]:
    return execute(queries, deadline_in(4), access(tenant, scope), **how)


def written(superuser: Superuser) -> list[str]:
    return [row[0] for row in superuser.execute("SELECT what FROM public.written ORDER BY what").fetchall()]


def sent(superuser: Superuser) -> int:
    return superuser.execute("SELECT number FROM public.attempts").fetchall()[0][0]
