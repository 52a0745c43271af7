"""Erasures of a tenant, or of one person's data in it: requested, carried out by a job, kept as a signed receipt.

Of a person they delete preferences, chats (archived ones as well), membership, invitations and stored responses.
Executions have no person that the platform knows of. Records of who did what keep the id: legal holds, API keys,
rehydrations, who invited somebody, what was done to the tenant.
"""

import hmac
import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal
from uuid import UUID

from flomastr.database.query import Count, Query
from flomastr.http.etags import Resource
from flomastr.http.fields import Body, Name
from flomastr.http.paging import KEYSET, PageRequest
from flomastr.settings import signing_key


class Erasure(Resource):
    """The receipt, as soon as it is signed."""

    tenant_id: UUID
    user_id: str | None  # null: the whole tenant
    state: Literal["pending", "running", "done"]
    counts: dict[str, int]  # rows by table, and what there was of them in files
    requested_by: str
    created_at: datetime
    finished_at: datetime | None
    signature: str | None


class NewErasure(Body):
    user_id: Name  # as chats know persons


COLUMNS = """
  e.id, e.tenant_id, e.user_id, e.state, e.counts, e.requested_by, e.created_at, e.finished_at, e.signature,
  app.etag(e) AS etag
"""


def request(new: NewErasure) -> Query[Erasure]:
    """What a job carries out. Refused with 404, and 409: `last_owner`, `too_many_open`, `legal_hold`, `conflict`."""
    return Query(
        f"SELECT {COLUMNS} FROM app.ask_for_erasure(%(user_id)s) AS e",
        new.model_dump(),
        Erasure,
        conflict="body.user_id: the data of this person are being erased.",
    )


def newest(page: PageRequest) -> Query[Erasure]:
    """A page of erasures, open ones included, and one row beyond it."""
    return Query(
        f"SELECT {COLUMNS} FROM app.erasures AS e WHERE {KEYSET}",
        page.params(),
        Erasure,
    )


def count() -> Query[Count]:
    """How many erasures have been requested."""
    return Query("SELECT count(*) FROM app.erasures", {}, Count)


def get(id: UUID) -> Query[Erasure]:
    """No row: there is no such erasure in this context."""
    return Query(f"SELECT {COLUMNS} FROM app.erasures AS e WHERE e.id = %(id)s", {"id": id}, Erasure)


def signature(receipt: Erasure) -> str:
    """HMAC-SHA256, with the service's key, of the rest of the receipt as JSON: sorted keys, no spaces, times in UTC."""
    signed = receipt.model_dump(exclude={"signature"}) | {
        "created_at": receipt.created_at.astimezone(UTC).isoformat(),
        "finished_at": receipt.finished_at and receipt.finished_at.astimezone(UTC).isoformat(),
    }
    text = json.dumps(signed, sort_keys=True, separators=(",", ":"), default=str)
    return hmac.digest(signing_key(), text.encode(), sha256).hex()
