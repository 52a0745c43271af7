"""What every answer says of itself: it is taken for nothing else, and only what has an ETag is kept."""

from typing import Any

import pytest

from functions.api_keys.handler import lambda_handler as api_keys
from functions.health.handler import lambda_handler as health
from functions.openapi.handler import lambda_handler as openapi
from functions.workflows.handler import lambda_handler as workflows
from tests.support.events import call
from tests.support.factories import Factory, Tenant
from tests.support.requests import BY_NAME, OPERATIONS, ApiClient, Operation

NOBODYS = "018f0000-0000-7000-8000-000000000000"
NEVER_KEPT = "no-store"
ASKED_EACH_TIME = "private, no-cache"


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
@pytest.mark.parametrize("who", ["super admin", "anonymous"])
def test_every_answer_is_taken_for_what_it_is(make: Factory, operation: Operation, who: str) -> None:
    answer = ApiClient(make, who).ask(operation)
    assert answer.headers["x-content-type-options"] == "nosniff"
    kept = answer.headers["cache-control"]
    if operation.name in ("get_openapi", "get_docs"):
        assert kept == "max-age=300"
    elif operation.name.startswith("analyze_") and answer.status == 200:
        assert (kept, answer.headers["vary"]) == ("private, max-age=30", "Authorization, X-Tenant, Accept")
    elif operation.method == "GET" and "etag" in answer.headers:
        assert (kept, answer.headers["vary"]) == (ASKED_EACH_TIME, "Authorization, X-Tenant")
    else:
        assert kept == NEVER_KEPT


def test_what_holds_a_secret_is_never_kept(make: Factory, tenant: Tenant) -> None:
    new = {"name": "n8n", "scopes": ["events:write"]}
    made = call(api_keys, "POST", "/routes/api-keys", body=new, caller=tenant.owner)
    assert made.json["token"] and made.headers["etag"]
    rotated = call(api_keys, "POST", f"/routes/api-keys/{made.json['id']}/rotate", body={}, caller=tenant.owner)
    assert rotated.json["signing_secret"] and rotated.headers["etag"]
    assert made.headers["cache-control"] == rotated.headers["cache-control"] == NEVER_KEPT
    download = ApiClient(make, "owner").ask(BY_NAME["download_archive_file"])
    assert download.headers["cache-control"] == NEVER_KEPT


def test_what_has_an_etag_is_asked_for_again_and_not_sent_again(make: Factory, tenant: Tenant, workflow: str) -> None:
    path = f"/routes/workflows/{workflow}"
    first = call(workflows, "GET", path, caller=tenant.owner)
    again = call(workflows, "GET", path, caller=tenant.owner, headers={"if-none-match": first.headers["etag"]})
    assert again.status == 304
    assert first.headers["cache-control"] == again.headers["cache-control"] == ASKED_EACH_TIME
    assert again.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("handler", "method", "path", "body", "status"),
    [
        (workflows, "POST", "/routes/workflows", "x" * 5_000_001, 413),
        (workflows, "POST", "/routes/workflows", "{", 400),
        (workflows, "PATCH", "/routes/workflows", None, 405),
        (workflows, "GET", f"/routes/workflows/{NOBODYS}", None, 404),
        (workflows, "GET", "/routes/workflows/x", None, 422),
        (health, "GET", "/routes/health/nothing", None, 404),
        (openapi, "POST", "/routes/docs", None, 405),
    ],
)
def test_so_is_a_refusal(tenant: Tenant, handler: Any, method: str, path: str, body: Any, status: int) -> None:
    answer = call(handler, method, path, body=body, caller=tenant.owner)
    assert answer.status == status
    assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == ("nosniff", NEVER_KEPT)
