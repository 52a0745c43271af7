"""What the OpenAPI document says that an operation may answer, it answers: each status, in every way there is to it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from flomastr.database import connection
from flomastr.settings import settings
from flomastr.tenancy import api_keys
from tests.support.events import Answer
from tests.support.factories import Factory
from tests.support.full_tenant import embed
from tests.support.requests import BY_NAME, DOCUMENT, OPERATIONS, Operation, Scene
from tests.support.status_triggers import Stage, Way, called, to, ways_to


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Afterwards the database is where it was."""
    yield monkeypatch
    monkeypatch.undo()
    settings.cache_clear()
    connection.discard()


@to(409, called("create_knowledge_base", "add_model"))
@to(409, called("create_workflow", "create_tenant", "provision_tenant", "invite_member", "create_user"))
@to(409, called("suspend_tenant", "soft_delete_tenant", "ask_for_erasure"))
def it_has_been_done(stage: Stage) -> Answer:
    return stage.again()


@to(409, called("reactivate_tenant", "undelete_tenant", "restore_tenant", "hard_delete_tenant"))
def the_tenant_is_active(stage: Stage) -> Answer:
    return Scene(stage.make, "super admin").ask(stage.operation)


@to(409, called("record_execution"))
def it_belongs_to_another_workflow(stage: Stage) -> Answer:
    stage.ask()
    return stage.with_field("workflow_id", str(stage.make.workflow(stage.scene.tenant)))


@to(409, called("update_execution"))
def it_has_ended(stage: Stage) -> Answer:
    stage.ask()
    return stage.ask(body={"status": "running"})


@to(409, called("update_member", "remove_member"))
def it_is_the_last_owner(stage: Stage) -> Answer:
    return Scene(stage.make, "owner").ask(stage.operation)


@to(409, called("accept_invitation"))
def somebody_is_a_member_already(stage: Stage) -> Answer:
    scene = Scene(stage.make, "member")
    assert scene.caller
    stage.make.invitation(scene.tenant.id, scene.caller)
    return scene.ask(stage.operation)


@to(409, called("update_user", "delete_user"))
def it_is_the_last_super_admin(stage: Stage) -> Answer:
    stage.scene.request(stage.operation)  # which makes more of them
    assert stage.scene.caller
    sql, email = stage.superuser.execute, stage.scene.caller.email
    others = sql(
        "UPDATE app.user_roles SET role = 'admin' WHERE role = 'super_admin' AND email <> %s RETURNING id", [email]
    )
    last = sql("SELECT id FROM app.user_roles WHERE email = %s", [email]).fetchall()
    answer = stage.ask(path=f"/routes/users/{last[0][0]}")
    sql("UPDATE app.user_roles SET role = 'super_admin' WHERE id = ANY (%s)", [[id for (id,) in others.fetchall()]])
    return answer


@to(409, called("create_api_key"))
def its_secret_cannot_be_derived_any_more(stage: Stage) -> Answer:
    assert stage.with_header("idempotency-key", "1").status == 201
    stage.patch.setattr(api_keys, "signing_key", lambda: b"another")
    return stage.with_header("idempotency-key", "1")


@to(409, called("rotate_api_key"))
def the_key_is_revoked(stage: Stage) -> Answer:
    key = stage.make.api_key(stage.scene.tenant, revoked_at=datetime.now(UTC))
    return stage.ask(path=stage.scene.path(stage.operation, key_id=key.id))


@to(409, called("delete_workflow", "delete_execution", "delete_session", "delete_preferences", "delete_setting"))
@to(409, called("hard_delete_tenant", "delete_knowledge_base", "store_document", "store_documents", "delete_document"))
def it_is_under_a_legal_hold(stage: Stage) -> Answer:
    request = stage.scene.request(stage.operation)
    stage.make.hold(stage.scene.tenant)
    answer = stage.ask(**request)
    assert answer.json["code"] == "legal_hold"
    return answer


@to(409, called("store_entry"))
def the_entry_is_under_a_legal_hold(stage: Stage) -> Answer:
    stage.ask()
    stage.make.hold(stage.scene.tenant)
    return stage.with_field("content", "Refunds take a month.")


@to(409, called("update_knowledge_base"))
def another_base_has_this_name(stage: Stage) -> Answer:
    stage.make.knowledge_base(stage.scene.tenant, name="Taken")
    return stage.ask(body={"name": "Taken"})


@to(409, called("activate_model"))
def its_vectors_are_not_there_yet(stage: Stage) -> Answer:
    base = UUID(stage.scene.knowledge_base_id)
    embed(stage.make, stage.scene.tenant, stage.make.document(stage.scene.tenant, base), "Refunds take a week.")
    stage.scene.beside("super admin").ask(BY_NAME["add_model"])
    return stage.ask(body={"embedding_model": "model-b"})


@to(409, called("drop_model"))
def it_is_the_model_that_is_searched(stage: Stage) -> Answer:
    return stage.ask(query={"embedding_model": "model-a"})


@to(409, called("search_knowledge"))
def a_base_has_a_model_of_former_times(stage: Stage) -> Answer:
    stage.make.knowledge_base(stage.scene.tenant, model="model-of-old")
    return stage.ask()


@to(409, called("release_hold"))
def the_hold_is_released(stage: Stage) -> Answer:
    return stage.again()


@to(409, called("append_messages"))
def the_session_is_full(stage: Stage) -> Answer:
    many = {"messages": [{"role": "user", "content": "Hello"}] * 100}
    return [stage.ask(body=many) for _ in range(11)][-1]


@to(307, called("get_execution"))
@to(409, called("update_execution", "delete_execution"))
def it_is_archived(stage: Stage) -> Answer:
    id = uuid4()
    stage.make.file(stage.scene.tenant, id)
    answer = stage.ask(path=stage.scene.path(stage.operation, execution_id=str(id)))
    assert answer.json["code"] == "archived"
    return answer


DOCUMENTED = [(operation, status) for operation in OPERATIONS for status in operation.responses]
TRIED = [(operation, way) for operation, status in DOCUMENTED for way in ways_to(operation, status)]


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_there_is_a_way_to_every_status_that_an_operation_documents(operation: Operation) -> None:
    assert [status for status in operation.responses if not ways_to(operation, status)] == []


@pytest.mark.parametrize(("operation", "way"), TRIED, ids=str)
def test_an_operation_answers_each_status_that_it_documents(
    make: Factory, superuser: psycopg.Connection[Any], patch: pytest.MonkeyPatch, operation: Operation, way: Way
) -> None:
    answer = way.go(Stage(operation, make, superuser, patch))
    assert answer.status == way.status, answer.body
    described = resolved(operation.responses[way.status])
    headers = {name.lower() for name, header in described.get("headers", {}).items() if resolved(header)["required"]}
    assert headers <= answer.headers.keys()
    assert "content" not in described or answer.headers["content-type"].partition(";")[0] in described["content"]
    limited = way.status < 300 and operation.is_limited
    assert {"ratelimit", "ratelimit-policy"} <= answer.headers.keys() or not (limited or way.status == 429)
    if way.status >= 400:
        assert answer.json["status"] == way.status


def resolved(described: dict[str, Any]) -> dict[str, Any]:
    """What a reference to a component stands for."""
    _, _, reference = described.get("$ref", "").partition("#/components/")
    kind, _, name = reference.partition("/")
    return DOCUMENT["components"][kind][name] if name else described
