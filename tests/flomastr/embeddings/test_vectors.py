"""Vectors reach Postgres as what they are: each number as near as half precision comes to it."""

import random
import struct
from typing import Any

import psycopg
import pytest

from flomastr.embeddings.client import DIMENSIONS, MAX_NUMBER, half_vector
from flomastr.embeddings.vectors import HalfVector

EDGES = [MAX_NUMBER, -MAX_NUMBER, 2**-24, -(2**-24), 2**-14, 1, 0, -0.0, 1 / 3, 0.1, 1e-7, 2048.5, 0.99951171875]


def single(number: float) -> float:
    """The nearest number in single precision, by way of which Postgres comes from an array to a halfvec."""
    return struct.unpack("f", struct.pack("f", number))[0]


@pytest.fixture
def numbers() -> list[float]:
    chance = random.Random(1536)
    return [*map(single, EDGES), *(single(chance.gauss(0, 0.03)) for _ in range(DIMENSIONS - len(EDGES)))]


def test_a_vector_is_sent_exactly(superuser: psycopg.Connection[Any], numbers: list[float]) -> None:
    vector = half_vector(numbers)
    sent = superuser.execute("SELECT %s::public.halfvec::text, %s::float8[]::public.halfvec::text", (vector, numbers))
    ((as_sent, by_postgres),) = sent.fetchall()
    assert as_sent == by_postgres
    assert HalfVector.from_text(as_sent) == vector
    assert vector.to_list() == [struct.unpack("e", struct.pack("e", number))[0] for number in numbers]


@pytest.mark.parametrize("sign", [0, 0x8000])
@pytest.mark.parametrize("first", [0, 0x3E00])  # a vector has at most 16,000; from 0x7C00 on they are infinite
def test_every_number_of_half_precision_is_sent_exactly(
    superuser: psycopg.Connection[Any], sign: int, first: int
) -> None:
    numbers = range(sign + first, sign + first + 0x3E00)
    vector = HalfVector(list(struct.unpack("<15872e", struct.pack("<15872H", *numbers))))
    ((sent,),) = superuser.execute("SELECT %s::public.halfvec::text", (vector,)).fetchall()
    assert HalfVector.from_text(sent) == vector


def test_a_list_of_vectors_is_sent_exactly_and_may_be_empty(
    superuser: psycopg.Connection[Any], numbers: list[float]
) -> None:
    vectors = [half_vector(numbers), half_vector(numbers[::-1])]
    sent = superuser.execute("SELECT v::text FROM unnest(%s::public.halfvec[]) AS v", (vectors,)).fetchall()
    assert [HalfVector.from_text(text) for (text,) in sent] == vectors
    assert superuser.execute("SELECT %s::public.halfvec[]::text", ([],)).fetchall() == [("{}",)]


def test_a_connection_asks_nothing_about_the_type(superuser: psycopg.Connection[Any], numbers: list[float]) -> None:
    superuser.execute("SELECT %s::public.halfvec", (half_vector(numbers),))
    assert superuser.adapters.types.get("halfvec") is None
