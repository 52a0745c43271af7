"""Every operation of the OpenAPI document, and a client that can ask for it: a tenant, a caller, rows."""

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

from dev.docs.openapi import document
from dev.docs.routes import is_limited
from dev.paths import ROOT
from flomastr.caller import Caller
from flomastr.tenant_recovery.recoveries import token_of
from tests.support.events import Answer, call
from tests.support.factories import KEY_SCOPES, Factory, Tenant, machine

DOCUMENT = document()
ROLES = ("member", "admin", "owner")
PEOPLE = ("stranger", "pending", *ROLES, "super admin")
MACHINES = tuple(f"key for {scope}" for scope in KEY_SCOPES)


@dataclass(frozen=True)
class Operation:
    name: str
    method: str
    path: str
    handler: Any
    described: dict[str, Any]

    def __str__(self) -> str:
        return self.name

    @property
    def scope(self) -> str | None:
        """None is open to everyone."""
        return self.described.get("x-scope")

    @property
    def is_in_a_tenant(self) -> bool:
        return self.scope is not None and not self.scope.startswith(("platform:", "me:"))

    @property
    def is_limited(self) -> bool:
        return is_limited(self.scope)

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        return {parameter["name"]: parameter for parameter in self.described.get("parameters", [])}

    @property
    def required(self) -> list[str]:
        """What the query must name."""
        return [name for name, told in self.parameters.items() if told["in"] == "query" and told["required"]]

    @property
    def has_body(self) -> bool:
        return "requestBody" in self.described

    @property
    def has_json(self) -> bool:
        return "application/json" in self.described.get("requestBody", {}).get("content", {})

    @property
    def content_type(self) -> dict[str, str]:
        """The header, where the body is a file."""
        return {"content-type": "text/plain"} if self.has_body and not self.has_json else {}

    @property
    def responses(self) -> dict[int, dict[str, Any]]:
        return {int(status): response for status, response in self.described["responses"].items()}


def operations() -> list[Operation]:
    handlers = dict(handlers_by_operation())
    return [
        Operation(described["operationId"], method.upper(), path, handlers[described["operationId"]], described)
        for path, methods in DOCUMENT["paths"].items()
        for method, described in methods.items()
    ]


def handlers_by_operation() -> Iterator[tuple[str, Any]]:
    """The document does not say which function serves a route, and API Gateway's patterns are not needed here."""
    for file in (ROOT / "functions").glob("*/handler.py"):
        module = import_module(f"functions.{file.parent.name}.handler")
        for route in module.app.routes if hasattr(module, "app") else ():
            yield route.name, module.lambda_handler
    for name in ("get_openapi", "get_docs"):
        yield name, import_module("functions.openapi.handler").lambda_handler


OPERATIONS = operations()
BY_NAME = {operation.name: operation for operation in OPERATIONS}


class ApiClient:
    """A new tenant and somebody who asks. What is in it is made when it is named: `{workflow_id}` in a path, say."""

    def __init__(self, make: Factory, who: str):
        self.make = make
        self.who = who
        self.tenant: Tenant = make.tenant()
        self.headers: dict[str, str] = {}
        self.caller = self.come(who)
        self.user_id = self.whose()

    def come(self, who: str) -> Caller | None:
        match who.split():
            case ["anonymous"]:
                return None
            case ["stranger"]:
                return self.make.tenant().owner
            case ["super", "admin"]:
                return self.make.super_admin()
            case ["owner"]:
                return self.tenant.owner
            case ["key", "for", scope]:
                key = self.make.api_key(self.tenant, scopes=[scope] if scope in KEY_SCOPES else [])
                self.headers = {"authorization": f"Bearer {key.token()}"}
                return machine(key)
            case _:
                person = self.make.person()
                role, status = ("member", "pending") if who == "pending" else (who, "active")
                self.make.member(self.tenant.id, person, role, status)
                return person

    def whose(self) -> str:
        """The caller's own things, or the owner's where the caller is no person of the tenant."""
        own = self.caller.user_id if self.caller and self.who != "super admin" else None
        return str(own or self.tenant.owner.user_id)

    def ask(self, operation: Operation, **changed: Any) -> Answer:
        """As the caller, in this tenant; `changed` replaces parts of the request."""
        return call(operation.handler, operation.method, **(self.request(operation) | changed))

    def request(self, operation: Operation) -> dict[str, Any]:
        tenant = {"x-tenant": self.slug} if "x-tenant" in operation.parameters else {}
        return {
            "path": self.path(operation),
            "headers": self.headers | tenant | operation.content_type,
            "caller": self.caller,
            "body": BODIES[operation.name.removesuffix("_by_path")](self) if operation.has_body else None,
            "query": self.query(operation),
        }

    def path(self, operation: Operation, **names: str) -> str:
        return re.sub(r"{(\w+)}", lambda name: names.get(name[1]) or getattr(self, name[1]), operation.path)

    def query(self, operation: Operation, **names: str) -> dict[str, str]:
        """What the operation cannot do without."""
        return {name: names.get(name) or getattr(self, name) for name in operation.required}

    def prepare(self, operation: Operation) -> None:
        """Brings the tenant into the state in which the operation can succeed."""
        self.path(operation)  # what it names is the same for all who ask
        self.query(operation)
        for needed in BEFORE.get(operation.name.removesuffix("_by_path"), []):
            answer = self.beside("super admin").ask(BY_NAME[needed])
            assert answer.status < 300, answer.body

    def beside(self, who: str) -> "ApiClient":
        """The same tenant, and somebody else who asks."""
        beside = object.__new__(ApiClient)
        beside.__dict__ |= self.__dict__ | {"who": who, "headers": {}}
        beside.caller = beside.come(who)
        return beside

    @property
    def slug(self) -> str:
        return self.tenant.slug

    @property
    def tenant_id(self) -> str:
        return str(self.tenant.id)

    @cached_property
    def n8n_id(self) -> str:
        return secrets.token_hex(8)

    @property
    def visitor(self) -> str:
        """A person who has a chat in the tenant."""
        self.make.session(self.tenant, self.make.workflow(self.tenant), self.n8n_id)
        return self.n8n_id

    @cached_property
    def workflow_id(self) -> str:
        return str(self.make.workflow(self.tenant))

    @cached_property
    def execution_id(self) -> str:
        return str(self.make.execution(self.tenant, self.make.workflow(self.tenant), status="running"))

    @property
    def metadata(self) -> str:
        """A filter that a document passes."""
        assert self.name
        return "{}"

    @cached_property
    def key_id(self) -> str:
        return self.make.api_key(self.tenant).id

    @cached_property
    def erasure_id(self) -> str:
        return str(self.make.erasure(self.tenant, self.n8n_id))

    @cached_property
    def file_id(self) -> str:
        return str(self.make.file(self.tenant))

    @cached_property
    def restore_id(self) -> str:
        return str(self.make.restore(self.tenant))

    @cached_property
    def transaction(self) -> str:
        return self.make.transaction(self.tenant)

    @cached_property
    def preview_id(self) -> str:
        return str(self.make.preview(self.tenant))

    @cached_property
    def recovery_id(self) -> str:
        return str(self.make.recovery(self.tenant))

    @cached_property
    def alert_id(self) -> str:
        return str(self.make.alert(self.tenant))

    @cached_property
    def rejection_id(self) -> str:
        return str(self.make.rejection(self.tenant))

    @cached_property
    def instance_name(self) -> str:
        return self.make.connected_n8n(self.tenant)

    @cached_property
    def hold_id(self) -> str:
        return str(self.make.hold(self.tenant, execution_id=uuid4()))

    @cached_property
    def knowledge_base_id(self) -> str:
        return str(self.make.knowledge_base(self.tenant))

    @cached_property
    def name(self) -> str:
        """Of a document."""
        self.make.document(self.tenant, UUID(self.knowledge_base_id))
        return "refunds.md"

    @cached_property
    def dead_letter_id(self) -> str:
        document = self.make.document(self.tenant, UUID(self.knowledge_base_id), "broken.md")
        return str(self.make.dead_letter(self.tenant, document))

    @cached_property
    def upload_id(self) -> str:
        return str(self.make.upload(self.tenant, UUID(self.knowledge_base_id)))

    @cached_property
    def key(self) -> str:
        """Of a setting."""
        return "theme"

    @cached_property
    def embedding_model(self) -> str:
        return "model-b"

    @cached_property
    def session_key(self) -> str:
        return self.beside("super admin").ask(BY_NAME["open_session"]).json["session_key"]

    @cached_property
    def user_role_id(self) -> str:
        return self.beside("super admin").ask(BY_NAME["create_user"]).json["id"]


BODIES: dict[str, Callable[[ApiClient], Any]] = {
    "create_workflow": lambda s: {"name": "Order intake", "n8n_workflow_id": s.n8n_id},
    "update_workflow": lambda s: {"name": "Orders"},
    "record_execution": lambda s: {"workflow_id": s.workflow_id, "n8n_execution_id": s.n8n_id},
    "record_executions": lambda s: {
        "executions": [{"workflow_id": s.workflow_id, "n8n_execution_id": s.n8n_id, "status": "error"}]
    },
    "update_execution": lambda s: {"status": "success"},
    "create_tenant": lambda s: {"slug": f"t-{s.n8n_id}", "name": "New"},
    "update_tenant": lambda s: {"name": "Renamed"},
    "update_policies": lambda s: {"hot_ttl_days": 60},
    "suspend_tenant": lambda s: {"tenant_id": s.slug, "reason": "unpaid"},
    "reactivate_tenant": lambda s: {"tenant_id": s.tenant_id},
    "soft_delete_tenant": lambda s: {"tenant_id": s.tenant_id},
    "undelete_tenant": lambda s: {"tenant_id": s.tenant_id},
    "restore_tenant": lambda s: {"tenant_id": s.tenant_id},
    "ask_for_erasure": lambda s: {"user_id": s.visitor},
    "hard_delete_tenant": lambda s: {"tenant_id": s.tenant_id, "confirm": s.slug, "reason": "asked for"},
    "provision_tenant": lambda s: {"tenant_slug": f"t-{s.n8n_id}", "owner_email": f"{s.n8n_id}@example.com"},
    "invite_member": lambda s: {"email": f"{s.n8n_id}@example.com"},
    "update_member": lambda s: {"role": "member"},
    "create_api_key": lambda s: {"name": "n8n", "scopes": ["events:write"]},
    "rotate_api_key": lambda s: {},
    "create_alert": lambda s: {
        "name": "Failures",
        "kind": "failure_rate",
        "minutes": 60,
        "threshold": 10,
        "url": "https://hooks.example.com/flomastr",
    },
    "update_alert": lambda s: {"threshold": 20},
    "preview_recovery": lambda s: {"transaction": s.transaction},
    "apply_recovery": lambda s: {"preview_id": s.preview_id, "token": token_of(UUID(s.preview_id))},
    "create_hold": lambda s: {"scope": "workflow", "workflow_id": s.workflow_id, "reason": "A dispute"},
    "release_hold": lambda s: {"reason": "The dispute is settled"},
    "update_branding": lambda s: {"brand_primary": "#336699"},
    "store_preferences": lambda s: {"user_id": s.user_id, "preferences": {"theme": "dark"}},
    "replace_preferences": lambda s: {"preferences": {"theme": "light"}},
    "store_setting": lambda s: {"value": "dark"},
    "store_file": lambda s: "Refunds take two weeks.",
    "begin_upload": lambda s: {"name": "terms.pdf", "media_type": "application/pdf", "size": 5_000_000},
    "open_session": lambda s: {"workflow_id": s.workflow_id, "user_id": s.user_id},
    "append_messages": lambda s: {"messages": [{"role": "user", "content": "Hello"}]},
    "connect_n8n_instance": lambda s: {"n8n_url": "https://n8n.example", "api_key": f"key-of-{s.n8n_id}"},
    "record_events": lambda s: [  # a failure that n8n then calls canceled, a later run with its id, and no item
        {
            "execution": {"id": s.n8n_id, "error": {"message": "It broke"}},
            "workflow": {"id": s.n8n_id, "name": "Intake"},
        },
        {"id": s.n8n_id, "workflowId": s.n8n_id, "status": "canceled", "mode": "webhook"},
        *(
            {"id": "1", "workflowId": s.n8n_id, "status": "success", "startedAt": at, "stoppedAt": at}
            for at in ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
        ),
        {},
    ],
    "create_restore": lambda s: {"first_at": "2020-01-01T00:00:00Z", "last_at": "2020-01-02T00:00:00Z", "days": 1},
    "create_knowledge_base": lambda s: {"name": f"Base {s.n8n_id}"},
    "update_knowledge_base": lambda s: {"description": "What customers ask"},
    "add_model": lambda s: {"embedding_model": "model-b"},
    "activate_model": lambda s: {"embedding_model": "model-a"},
    "store_document": lambda s: {"content": "Refunds take two weeks."},
    "store_documents": lambda s: {"documents": [{"name": s.name, "content": "# Refunds\n\nThey take two weeks."}]},
    "search_knowledge": lambda s: {"query": "How long do refunds take?"},
    "evaluate_search": lambda s: [
        {"query": "How long do refunds take?", "expected": [{"document_name": s.name}]},
    ],
    "store_entry": lambda s: {"title": f"Entry {s.n8n_id}", "content": "Refunds take a week."},
    "create_user": lambda s: {"email": f"{s.n8n_id}@example.com", "role": "admin"},
    "update_user": lambda s: {"role": "user"},
    "resolve_tenant": lambda s: {"identifier": s.slug},
}
BEFORE: dict[str, list[str]] = {
    "drop_model": ["add_model"],
    "reactivate_tenant": ["suspend_tenant"],
    "undelete_tenant": ["soft_delete_tenant"],
    "restore_tenant": ["soft_delete_tenant"],
    "hard_delete_tenant": ["soft_delete_tenant"],
    "replace_preferences": ["store_preferences"],
    "delete_preferences": ["store_preferences"],
    "store_setting": ["store_preferences"],
    "get_setting": ["store_setting"],
    "delete_setting": ["store_setting"],
}
