"""The OpenAPI document as Schemathesis reads it, and a platform of its own on which its requests find something."""

import re
import secrets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import unquote
from uuid import UUID, uuid4

import hypothesis
import psycopg
import schemathesis
from hypothesis import HealthCheck, Phase, settings, strategies
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test  # pyright: ignore[reportUnknownVariableType]
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks

from dev.docs.openapi import document
from dev.services.postgres import Cluster
from flomastr.http.patterns import IDEMPOTENCY_KEY, INSTANCE, KEY_ID, N8N_URL, NO_NUL, ONE_LINE, TENANT
from flomastr.tenancy.svg import MAX_BYTES
from tests.support.connected import connected
from tests.support.databases import copy
from tests.support.factories import Factory, Tenant, machine
from tests.support.wsgi_app import Collection

PERSON = "person"  # the bearer token of somebody who may do everything: owner of the tenant and super admin
EVENTS = "/routes/n8n/events"
FILES = "/routes/knowledge-bases/{knowledge_base_id}/files"
UPLOADS = "/routes/knowledge-bases/{knowledge_base_id}/uploads"
PREFERENCES = "/routes/user-preferences"
ANALYTICS = "/routes/analytics/"
RECOVERY = "/routes/recovery/"
INSTANCES = "/routes/n8n/instances/"
CONFIG: dict[str, Any] = {
    # JSON Schema cannot forbid U+0000 deep inside an object: test_bad_input.py sends it
    "generation": {"allow-x00": False, "with-security-parameters": False},
    "checks": {  # JSON Schema cannot bound a body as a whole: test_bad_input.py does
        "positive_data_acceptance": {"expected-statuses": ["2xx", "304", "400", "404", "409", "412", "413"]},
        "negative_data_rejection": {"expected-statuses": ["4xx"]},
    },
    "operations": [
        # what is no event is rejected by itself, and those beside it are recorded
        {"include-path": EVENTS, "checks": {"negative_data_rejection": {"enabled": False}}},
        # JSON Schema cannot say what a file holds: tests/flomastr/readers sends some
        {"include-path": FILES, "checks": {"positive_data_acceptance": {"enabled": False}}},
        # nor which types of files are read: tests/flomastr/uploads asks for some
        {"include-path": UPLOADS, "checks": {"positive_data_acceptance": {"enabled": False}}},
        # whoever makes a tenant is not invited to it
        {"include-tag": "members", "checks": {"ensure_resource_availability": {"enabled": False}}},
        # other methods than POST take `batch` for the id of an execution, and say that it is none
        {
            "include-path": "/routes/workflow-executions/batch",
            "checks": {"unsupported_method": {"enabled": False}, "allow_header_conformance": {"enabled": False}},
        },
    ],
}
STORABLE = strategies.datetimes(datetime(1970, 1, 2), datetime(2026, 1, 1), timezones=strategies.just(UTC))

DELETED = {"deleted_at": datetime.now(UTC)}
LIFECYCLE: dict[str, dict[str, Any]] = {  # what a tenant must be for it
    "/routes/suspend": {},
    "/routes/reactivate": {"status": "suspended"},
    "/routes/soft-delete": {},
    "/routes/undelete": DELETED,
    "/routes/restore": DELETED,
    "/routes/hard-delete": DELETED,
}
NOT_LINKED = ("tenant_id", "x-tenant", "confirm", "idempotency-key", "logo_svg", "expires_at")
SESSION_KEY = r"[^\0]{1,255}"
SVG = '<svg xmlns="http://www.w3.org/2000/svg"/>'

ACCEPTANCE: Any = checks.positive_data_acceptance  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
QUIETLY = settings(derandomize=True, database=None, deadline=None, suppress_health_check=list[Any](HealthCheck))

COLLECTION = Collection()
schemathesis.openapi.format("date-time", STORABLE.map(datetime.isoformat))
schemathesis.openapi.format("metadata-filter", strategies.sampled_from(('{"year": {"$gte": 2024}}', '{"lang": "de"}')))


def read(*, boundaries: bool) -> Any:
    """The document, with or without a case for every boundary of every schema, which take half a minute to collect."""
    openapi: Any = schemathesis.openapi
    config: Any = SchemathesisConfig
    phases = {"coverage": {"enabled": boundaries}}
    schema = openapi.from_dict(unpatterned(document()), config=config.from_dict(CONFIG | {"phases": phases}))
    schema.app = COLLECTION
    return schema


def unpatterned(part: Any) -> Any:
    """Without the pattern that forbids U+0000, which is never sent: with a maxLength it takes half a gigabyte."""
    if isinstance(part, list):
        return [unpatterned(each) for each in cast(list[Any], part)]
    if not isinstance(part, dict):
        return part
    kept = cast(dict[str, Any], part).items()
    return {name: unpatterned(each) for name, each in kept if (name, each) != ("pattern", NO_NUL)}


SCHEMA = read(boundaries=False)


@dataclass(frozen=True)
class Platform:
    make: Factory
    tenant: Tenant
    key: str
    cases: list[str] = field(default_factory=list[str])  # the operations that were asked
    failures: list[Any] = field(default_factory=list[Any])

    def ask(self, case: Any) -> None:
        self.cases.append(case.operation.label)
        self.name_what_exists(case)
        if case.operation.path == EVENTS and case.query and str(case.query.get("strict")).lower() == "true":
            case.query["strict"] = "false"  # else what is no event refuses all of them
        give_text(case.body)
        give_names_apart(case.body)
        shorten_filter(case.body)
        order_days(case.body)
        case.call_and_validate(headers=self.headers(case))

    def headers(self, case: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key if case.operation.path == EVENTS else PERSON}"}

    def name_what_exists(self, case: Any) -> None:
        """Well-formed names become those of rows: by chance they never would."""
        for part in (case.path_parameters, case.query, case.headers, case.body):
            for name in sorted(part, reverse=True) if hasattr(part, "items") else ():  # tenant_id before confirm
                if isinstance(value := part[name], str):
                    text = unquote(value) if part is case.path_parameters else value
                    text = text.removesuffix("\n")  # before which `$` matches, in Python and not in the functions
                    named = self.named(case, name, text, part)
                    part[name] = value if named == text else named

    def named(self, case: Any, name: str, value: str, part: Any) -> str:
        path: str = case.operation.path
        match name:
            case "workflow_id" if is_uuid(value):
                return str(self.make.workflow(self.tenant))
            case "execution_id" if is_uuid(value):
                return str(self.make.execution(self.tenant, self.make.workflow(self.tenant)))
            case "erasure_id" if is_uuid(value):
                return str(self.make.erasure(self.tenant, str(uuid4())))
            case "file_id" if is_uuid(value):
                return str(self.make.file(self.tenant))
            case "restore_id" if is_uuid(value):
                return str(self.make.restore(self.tenant))
            case "hold_id" if is_uuid(value):
                return str(self.make.hold(self.tenant, execution_id=uuid4()))
            case "user_role_id" if is_uuid(value):
                return str(self.make.role_id(self.make.global_role("user")))
            case "knowledge_base_id" if is_uuid(value):
                return str(self.make.knowledge_base(self.tenant))
            case "dead_letter_id" if is_uuid(value):
                document = self.make.document(self.tenant, self.make.knowledge_base(self.tenant))
                return str(self.make.dead_letter(self.tenant, document))
            case "upload_id" if is_uuid(value):
                return str(self.make.upload(self.tenant, self.make.knowledge_base(self.tenant), status="stored"))
            case "embedding_model" if 0 < len(value) <= 100:
                return "model-a" if path.endswith("/activate") else "model-b"
            case "key_id" if re.fullmatch(KEY_ID, value):
                return self.make.api_key(self.tenant).id
            case "session_key" if re.fullmatch(SESSION_KEY, value, re.DOTALL):
                return self.make.session(self.tenant, self.make.workflow(self.tenant))
            case "user_id" if re.fullmatch(ONE_LINE, value) and len(value) <= 255 and not path.endswith("/members"):
                return str(COLLECTION.callers[PERSON].user_id)
            case "key" if 0 < len(value) <= 255 and path.startswith(PREFERENCES):
                return "theme"  # in the query and in the body
            case "slug" if "{slug}" in path and re.fullmatch(TENANT, value):
                return self.fresh(path).slug
            case "tenant_id" if re.fullmatch(TENANT, value) and path in LIFECYCLE:
                return self.fresh(path).slug
            case "confirm" if re.fullmatch(TENANT, value) and isinstance(part.get("tenant_id"), str):
                return part["tenant_id"]
            case "tenant_id" | "x-tenant" if re.fullmatch(TENANT, value):
                return self.tenant.slug
            case "idempotency-key" if re.fullmatch(IDEMPOTENCY_KEY, value):
                return secrets.token_hex()  # no key comes twice with another body
            case "logo_svg" if "\0" not in value and len(value) <= MAX_BYTES:
                return SVG
            case "from" | "to" if is_moment(value) and path.startswith(ANALYTICS):
                return {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}[name]
            case "from" | "to" if is_moment(value) and path.startswith(INSTANCES):
                return (datetime.now(UTC) - timedelta(days=name == "from")).isoformat()
            case "instance_name" if re.fullmatch(INSTANCE, value):
                return self.make.connected_n8n(self.tenant)
            case "n8n_url" if re.fullmatch(N8N_URL, value) and path.startswith(INSTANCES):
                return "https://n8n.example"  # its own: another needs the key as well
            case "at" if is_moment(value) and path.startswith(RECOVERY):
                return datetime.now(UTC).isoformat()  # the history of rows begins with the database
            case "time_zone" if 0 < len(value) <= 100:
                return "Europe/Berlin"
            case "expires_at" if is_moment(value):
                return "2999-01-02T03:04:05Z"
            case _:
                return value

    def fresh(self, path: str) -> Tenant:
        """A tenant that the operation may change and end."""
        tenant = self.make.tenant(**LIFECYCLE.get(path, {}))
        self.make.member(tenant.id, COLLECTION.callers[PERSON], status="pending")
        return tenant


def give_text(body: Any) -> None:
    """JSON Schema cannot say what a document without text is: test_documents.py sends some."""
    if not hasattr(body, "get"):
        return
    for sent in (body, *(body.get("documents") or ())):
        if hasattr(sent, "get") and isinstance(sent.get("content"), str) and sent["content"].isspace():
            sent["content"] = "Refunds take two weeks."


def give_names_apart(body: Any) -> None:
    """JSON Schema cannot forbid two documents of one name: test_documents.py sends them."""
    documents = body.get("documents") if hasattr(body, "get") else None
    if isinstance(documents, list):
        named = [d for d in cast(list[Any], documents) if hasattr(d, "get") and isinstance(d.get("name"), str)]
        for index, document in enumerate(named):
            others = [other["name"] for other in named[:index]]
            if document["name"] in others and len(document["name"]) < 250:
                document["name"] += str(index)


def shorten_filter(body: Any) -> None:
    """JSON Schema cannot bound an object's bytes: test_search.py sends large ones."""
    asked: Any = body.get("filter") if hasattr(body, "get") else None
    if hasattr(asked, "get") and hasattr(asked.get("metadata"), "items"):
        asked["metadata"] = {"team": "support"} if asked["metadata"] else {}


def order_days(body: Any) -> None:
    """JSON Schema cannot compare two numbers: test_policies.py sends fewer days for errors than for successes."""
    keep: Any = body.get("keep") if hasattr(body, "get") else None
    days = [keep.get("success_days"), keep.get("error_days")] if hasattr(keep, "get") else []
    if days and all(type(one) in (int, float) for one in days):
        keep["success_days"], keep["error_days"] = sorted(days)


def is_uuid(value: str) -> bool:
    try:
        return bool(UUID(value))
    except ValueError:
        return False


def is_moment(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


@contextmanager
def platform(server: Cluster) -> Generator[Platform]:
    """In a database of its own: the requests may end any tenant that they find."""
    with copy(server) as name:
        url = server.url("flo_app", name)
        with connected(DATABASE_URL=url), psycopg.connect(url, autocommit=True) as own:
            yield full_tenant(Factory(own))


def full_tenant(make: Factory) -> Platform:
    tenant, person = make.tenant(), make.super_admin()
    make.member(tenant.id, person, "owner")
    key = make.api_key(tenant)
    COLLECTION.callers |= {PERSON: person, key.token(): machine(key)}
    return Platform(make, tenant, key.token())


def in_sequence(platform: Platform, seed: int, steps: int) -> None:
    """Requests of which each uses what the answers before it named."""

    class Sequence(SCHEMA.as_state_machine()):
        def before_call(self, case: Any) -> None:
            platform.cases.append(case.operation.label)
            for name, value in case.path_parameters.items():
                case.path_parameters[name] = str(value).replace("%3F", "-")  # where API Gateway cuts a path
            for part in (case.query, case.headers, case.body):
                for name in NOT_LINKED:
                    if hasattr(part, "items") and isinstance(value := part.get(name), str):
                        part[name] = platform.named(case, name, value, part)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": platform.headers(case)}

        def validate_response(self, response: Any, case: Any, additional_checks: Any = None, **sent: Any) -> None:
            """What one answer names, another operation may find ill-formed, so that it need not be accepted."""
            try:
                known: dict[str, Any] = {"recorder": self.recorder, "excluded_checks": [ACCEPTANCE]}
                case.validate_response(response, **sent, transport_kwargs=sent, **known)
            except FailureGroup as failures:
                platform.failures.extend(failures.exceptions)
                raise

    phases = [Phase.generate]  # a sequence that fails is reported as it is: making it shorter takes minutes
    with suppress(Flaky):  # a platform that remembers answers no sequence twice in one way
        run_state_machine_as_test(
            hypothesis.seed(seed)(Sequence),
            settings=settings(QUIETLY, derandomize=False, phases=phases, max_examples=3, stateful_step_count=steps),
        )
