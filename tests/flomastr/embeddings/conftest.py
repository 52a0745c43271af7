"""The worker meets documents as their users put them."""

from tests.flomastr.knowledge.conftest import endpoint as made_endpoint
from tests.flomastr.knowledge.conftest import lib as made_lib

endpoint, lib = made_endpoint, made_lib
