"""Jobs that end what is kept see the archive as those that fill it do."""

from tests.flomastr.archive.conftest import world as made_world

world = made_world
