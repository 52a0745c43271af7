"""Many clients of the database who write at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg

from flomastr.database.access import AUTHORIZE, AccessRequest
from flomastr.database.query import Query
from flomastr.database.session import deadline_in


def concurrently(direct_url: str, access: AccessRequest, queries: list[Query[Any]]) -> None:
    """Each in a transaction over a connection of its own, all of which start together."""
    together = Barrier(len(queries))

    def send(query: Query[Any]) -> None:
        with psycopg.connect(direct_url) as conn:
            together.wait()
            conn.execute(AUTHORIZE, access.params(deadline_in()))
            conn.execute(query.sql, query.params)

    with ThreadPoolExecutor(len(queries)) as threads:
        list(threads.map(send, queries))
