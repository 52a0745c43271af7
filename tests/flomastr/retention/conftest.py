"""Jobs that end what is kept see the archive as those that fill it do."""

from tests.flomastr.archive.conftest import env as made_env

env = made_env
