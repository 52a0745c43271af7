"""Each operation answers each status that the OpenAPI document gives to it, whatever triggers that status."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from flomastr.database import connection
from flomastr.settings import settings
from flomastr.tenancy import api_keys
from tests.support.events import Answer
from tests.support.factories import Factory, new_id
from tests.support.full_tenant import embed
from tests.support.requests import BY_NAME, DOCUMENT, OPERATIONS, ApiClient, Operation
from tests.support.status_triggers import Attempt, Trigger, called, to, triggers_of


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Afterwards the database is where it was."""
    yield monkeypatch
    monkeypatch.undo()
    settings.cache_clear()
    connection.discard()


@to(409, called("create_knowledge_base", "add_model"))
@to(409, called("create_workflow", "create_tenant", "provision_tenant", "invite_member", "create_user"))
@to(409, called("suspend_tenant", "soft_delete_tenant", "ask_for_erasure", "apply_recovery", "undo_recovery"))
def it_has_been_done(attempt: Attempt) -> Answer:
    return attempt.again()


@to(409, called("reactivate_tenant", "undelete_tenant", "restore_tenant", "hard_delete_tenant"))
def the_tenant_is_active(attempt: Attempt) -> Answer:
    return ApiClient(attempt.make, "super admin").ask(attempt.operation)


@to(409, called("record_execution"))
def it_belongs_to_another_workflow(attempt: Attempt) -> Answer:
    attempt.ask()
    return attempt.with_field("workflow_id", str(attempt.make.workflow(attempt.client.tenant)))


@to(409, called("record_events"))
def the_instance_is_one_too_many(attempt: Attempt) -> Answer:
    attempt.run(
        "INSERT INTO app.n8n_instances (tenant_id, number, name)"
        " SELECT %(tenant)s, number, 'i' || number FROM generate_series(1, 20) AS number"
    )
    return attempt.ask(query={"instance": "another"})


@to(409, called("connect_n8n_instance"))
def a_new_instance_is_one_too_many(attempt: Attempt) -> Answer:
    attempt.run(
        "INSERT INTO app.n8n_instances (tenant_id, number, name)"
        " SELECT %(tenant)s, number, 'i' || number FROM generate_series(2, 20) AS number"
    )
    return attempt.ask(path=attempt.client.path(attempt.operation, instance_name="another"))


@to(409, called("update_execution"))
def it_has_ended(attempt: Attempt) -> Answer:
    attempt.ask()
    return attempt.ask(body={"status": "running"})


@to(409, called("update_member", "remove_member"))
def it_is_the_last_owner(attempt: Attempt) -> Answer:
    return ApiClient(attempt.make, "owner").ask(attempt.operation)


@to(409, called("accept_invitation"))
def somebody_is_a_member_already(attempt: Attempt) -> Answer:
    client = ApiClient(attempt.make, "member")
    assert client.caller
    attempt.make.invitation(client.tenant.id, client.caller)
    return client.ask(attempt.operation)


@to(409, called("create_restore"))
def twenty_are_open(attempt: Attempt) -> Answer:
    for _ in range(20):
        attempt.make.restore(attempt.client.tenant)
    return attempt.ask()


@to(409, called("create_hold"))
def a_thousand_are_active(attempt: Attempt) -> Answer:
    attempt.make.within(
        attempt.client.tenant.id,
        "INSERT INTO app.legal_holds (scope, reason, created_by)"
        " SELECT 'tenant', 'A dispute', 'test' FROM generate_series(1, 1000)",
        {},
    )
    return attempt.ask()


@to(409, called("update_user", "delete_user"))
def it_is_the_last_super_admin(attempt: Attempt) -> Answer:
    attempt.client.request(attempt.operation)  # which makes more of them
    assert attempt.client.caller
    sql, email = attempt.superuser.execute, attempt.client.caller.email
    others = sql(
        "UPDATE app.user_roles SET role = 'admin' WHERE role = 'super_admin' AND email <> %s RETURNING id", [email]
    )
    last = sql("SELECT id FROM app.user_roles WHERE email = %s", [email]).fetchall()
    answer = attempt.ask(path=f"/routes/users/{last[0][0]}")
    sql("UPDATE app.user_roles SET role = 'super_admin' WHERE id = ANY (%s)", [[id for (id,) in others.fetchall()]])
    return answer


@to(409, called("create_api_key"))
def its_secret_cannot_be_derived_any_more(attempt: Attempt) -> Answer:
    assert attempt.with_header("idempotency-key", "1").status == 201
    attempt.patch.setattr(api_keys, "signing_key", lambda: b"another")
    return attempt.with_header("idempotency-key", "1")


@to(409, called("rotate_api_key"))
def the_key_is_revoked(attempt: Attempt) -> Answer:
    key = attempt.make.api_key(attempt.client.tenant, revoked_at=datetime.now(UTC))
    return attempt.ask(path=attempt.client.path(attempt.operation, key_id=key.id))


@to(409, called("store_file"))
@to(409, called("delete_workflow", "delete_execution", "delete_session", "delete_preferences", "delete_setting"))
@to(409, called("hard_delete_tenant", "delete_knowledge_base", "store_document", "store_documents", "delete_document"))
@to(409, called("delete_documents"))
def it_is_under_a_legal_hold(attempt: Attempt) -> Answer:
    request = attempt.client.request(attempt.operation)
    attempt.make.hold(attempt.client.tenant)
    answer = attempt.ask(**request)
    assert answer.json["code"] == "legal_hold"
    return answer


@to(409, called("begin_upload"))
def too_many_uploads_are_open(attempt: Attempt) -> Answer:
    for _ in range(20):
        assert attempt.ask().status == 202
    return attempt.ask()


STORED = """
WITH looks AS (
  UPDATE app.tenants
  SET n8n_url = 'https://n8n.test', branding_settings = '{"brand_primary": "#123456", "logo_svg": "<svg/>"}'
  WHERE id = %(tenant)s
)
UPDATE app.user_preferences SET preferences = '{"theme": "before", "colour": "before", "key": "before"}'
WHERE tenant_id = %(tenant)s
"""


@to(409, called("update_workflow", "update_tenant", "update_branding", "reset_branding"))
@to(409, called("store_preferences", "replace_preferences", "store_setting"))
def what_it_would_replace_is_under_a_legal_hold(attempt: Attempt) -> Answer:
    client, request = attempt.client, attempt.client.request(attempt.operation)
    if attempt.operation.name == "store_preferences":
        request["body"]["tenant_id"] = client.tenant.slug  # else they are of no tenant
        attempt.ask(**request)
    attempt.superuser.execute(STORED, {"tenant": client.tenant.id})
    attempt.make.hold(client.tenant)
    answer = attempt.ask(**request)
    assert answer.json["code"] == "legal_hold", answer.body
    return answer


@to(409, called("store_entry"))
def the_entry_is_under_a_legal_hold(attempt: Attempt) -> Answer:
    attempt.ask()
    attempt.make.hold(attempt.client.tenant)
    return attempt.with_field("content", "Refunds take a month.")


@to(409, called("update_knowledge_base"))
def another_base_has_this_name(attempt: Attempt) -> Answer:
    attempt.make.knowledge_base(attempt.client.tenant, name="Taken")
    return attempt.ask(body={"name": "Taken"})


@to(409, called("activate_model"))
def its_vectors_are_not_there_yet(attempt: Attempt) -> Answer:
    base = UUID(attempt.client.knowledge_base_id)
    embed(
        attempt.make, attempt.client.tenant, attempt.make.document(attempt.client.tenant, base), "Refunds take a week."
    )
    attempt.client.beside("super admin").ask(BY_NAME["add_model"])
    return attempt.ask(body={"embedding_model": "model-b"})


@to(409, called("drop_model"))
def it_is_the_model_that_is_searched(attempt: Attempt) -> Answer:
    return attempt.ask(query={"embedding_model": "model-a"})


@to(409, called("search_knowledge", "evaluate_search"))
def a_base_has_a_model_of_former_times(attempt: Attempt) -> Answer:
    attempt.make.knowledge_base(attempt.client.tenant, model="model-of-old")
    return attempt.ask()


@to(409, called("release_hold"))
def the_hold_is_released(attempt: Attempt) -> Answer:
    return attempt.again()


@to(409, called("create_alert"))
def there_are_a_hundred_alerts(attempt: Attempt) -> Answer:
    for _ in range(100):
        attempt.make.alert(attempt.client.tenant)
    return attempt.ask()


@to(409, called("update_alert"))
def another_kind_may_look_so_far_back(attempt: Attempt) -> Answer:
    return attempt.ask(body={"minutes": 2000})


@to(409, called("delete_alert"))
def its_history_is_held(attempt: Attempt) -> Answer:
    attempt.client.path(attempt.operation)  # makes the alert
    event = "INSERT INTO app.alert_events (tenant_id, alert_id, type, data) SELECT tenant_id, id, 'fired', '{}'"
    attempt.run(event + " FROM app.alerts WHERE tenant_id = %(tenant)s")
    attempt.make.hold(attempt.client.tenant)
    return attempt.ask()


@to(409, called("append_messages"))
def the_session_is_full(attempt: Attempt) -> Answer:
    many = {"messages": [{"role": "user", "content": "Hello"}] * 100}
    return [attempt.ask(body=many) for _ in range(11)][-1]


@to(307, called("get_execution"))
@to(409, called("update_execution", "delete_execution"))
def it_is_archived(attempt: Attempt) -> Answer:
    id = new_id()
    attempt.make.file(attempt.client.tenant, id)
    answer = attempt.ask(path=attempt.client.path(attempt.operation, execution_id=str(id)))
    assert answer.json["code"] == "archived"
    return answer


DOCUMENTED = [(operation, status) for operation in OPERATIONS for status in operation.responses]
TRIED = [(operation, trigger) for operation, status in DOCUMENTED for trigger in triggers_of(operation, status)]


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_there_is_a_way_to_every_status_that_an_operation_documents(operation: Operation) -> None:
    by_functions = [status for status in operation.responses if status != 429 or operation.scope]
    assert [status for status in by_functions if not triggers_of(operation, status)] == []


@pytest.mark.parametrize(("operation", "trigger"), TRIED, ids=str)
def test_an_operation_answers_each_status_that_it_documents(
    make: Factory, superuser: psycopg.Connection[Any], patch: pytest.MonkeyPatch, operation: Operation, trigger: Trigger
) -> None:
    answer = trigger.ask_for_it(Attempt(operation, make, superuser, patch))
    assert answer.status == trigger.status, answer.body
    described = resolved(operation.responses[trigger.status])
    headers = {name.lower() for name, header in described.get("headers", {}).items() if resolved(header)["required"]}
    assert headers <= answer.headers.keys()
    assert "content" not in described or answer.headers["content-type"].partition(";")[0] in described["content"]
    limited = trigger.status < 300 and operation.is_limited
    assert {"ratelimit", "ratelimit-policy"} <= answer.headers.keys() or not (limited or trigger.status == 429)
    if trigger.status >= 400:
        assert answer.json["status"] == trigger.status


def resolved(described: dict[str, Any]) -> dict[str, Any]:
    """What a reference to a component stands for."""
    _, _, reference = described.get("$ref", "").partition("#/components/")
    kind, _, name = reference.partition("/")
    return DOCUMENT["components"][kind][name] if name else described
