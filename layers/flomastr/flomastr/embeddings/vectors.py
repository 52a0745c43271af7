"""Vectors on their way to Postgres: importing this lets psycopg send pgvector's HalfVector, alone or in a list.

A HalfVector goes as text without a type, and Postgres takes the type from the parameter. pgvector's register_vector
would ask for the type's OID, which differs from database to database: a round trip for each connection.
"""

import psycopg
from pgvector import HalfVector
from psycopg.abc import Buffer
from psycopg.adapt import Dumper


class HalfVectorDumper(Dumper):
    """With five digits, which tell all numbers of half precision apart: in full they take three times as long."""

    def dump(self, obj: HalfVector) -> Buffer:
        numbers = obj.to_list()
        return ("[" + ",".join(["%.5g"] * len(numbers)) % tuple(numbers) + "]").encode()


psycopg.adapters.register_dumper(HalfVector, HalfVectorDumper)

__all__ = ["HalfVector"]
