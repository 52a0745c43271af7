"""The worker meets documents as their users put them."""

from tests.flomastr.knowledge.conftest import endpoint as made_endpoint
from tests.flomastr.knowledge.conftest import kb as made_kb

endpoint, kb = made_endpoint, made_kb
