"""schema/current.sql, which a review reads, is the schema that the files make."""

from dev.docs.schema import CURRENT, printed
from dev.services.postgres import Cluster


def test_what_is_printed_of_the_schema_is_what_there_is(server: Cluster, scratch: str) -> None:
    assert printed(server, scratch) == CURRENT.read_text(), "Run `python -m dev schema`."
