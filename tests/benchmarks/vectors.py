"""Fifty tenants' vectors, as made up as has to be: topics that tenants share, and passages around them.

A topic is a point in 128 dimensions, a passage a point near to one, and both are seen in 1,536. Real vectors differ:
read what is found among these as ratios.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector

DIMENSIONS, IDEAS, TOPICS = 1536, 128, 400
TENANTS, VECTORS, STEEPNESS = 50, 100_000, 1.2

type Vectors = NDArray[np.float32]
type Points = NDArray[np.float64]


@dataclass(frozen=True)
class Owner:
    vectors: Vectors  # passage n of the owner is row n, in half precision
    queries: Vectors

    @property
    def size(self) -> int:
        return len(self.vectors)

    @cached_property
    def asked(self) -> list[HalfVector]:
        """The queries as a function sends them."""
        return [HalfVector(query) for query in self.queries]

    def nearest(self, most: int) -> list[set[int]]:
        """Of each query, by looking at all."""
        near = self.queries @ (self.vectors / np.linalg.norm(self.vectors, axis=1, keepdims=True)).T
        return [set(row.tolist()) for row in np.argsort(-near, axis=1)[:, :most]]


def binary_copy(vectors: Vectors) -> bytes:
    """Rows of a number and a halfvec, as COPY takes them in its binary format: their text would take minutes."""
    header = [("fields", ">i2"), ("bytes_of_number", ">i4"), ("number", ">i4"), ("bytes_of_vector", ">i4")]
    rows = np.zeros(len(vectors), [*header, ("dimensions", ">i2"), ("unused", ">i2"), ("vector", ">f2", DIMENSIONS)])
    rows["fields"], rows["bytes_of_number"], rows["bytes_of_vector"] = 2, 4, 4 + 2 * DIMENSIONS
    rows["number"], rows["dimensions"], rows["vector"] = np.arange(len(vectors)), DIMENSIONS, vectors
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + b"\xff\xff"


def sizes() -> list[int]:
    """Zipf: 30,000 of the first tenant, 300 of the last."""
    weights = 1 / np.arange(1, TENANTS + 1) ** STEEPNESS
    whole = np.floor(weights / weights.sum() * VECTORS).astype(int)
    whole[0] += VECTORS - whole.sum()
    return whole.tolist()


def owners(queries: int) -> list[Owner]:
    random = np.random.default_rng(6)
    topics = random.standard_normal((TOPICS, IDEAS))
    seen = random.standard_normal((IDEAS, DIMENSIONS))
    return [owner(size, queries, topics, seen, random) for size in sizes()]


def owner(size: int, queries: int, topics: Points, seen: Points, random: np.random.Generator) -> Owner:
    """A few topics make up most of what an owner has."""
    of_topic = random.choice(TOPICS, size + queries, p=random.dirichlet(np.full(TOPICS, 0.1)))
    ideas = topics[of_topic] + 0.6 * random.standard_normal((size + queries, IDEAS))
    vectors = (ideas @ seen).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    halved = vectors.astype(np.float16).astype(np.float32)
    return Owner(halved[:size], halved[size:])
