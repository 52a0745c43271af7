"""The first event of each function of the template: found by its routes, unless something else is its everyday work."""

from dataclasses import dataclass
from typing import Any

from dev.aws.template import Function, Template
from dev.services.oidc_issuer import Identity
from tests.benchmarks.sample_tenant import SampleTenant
from tests.support.events import http_event
from tests.support.factories import Factory

BARE, BARE_AUTHORIZER, BARE_LAKE = "bare imports", "bare imports and PyJWT", "bare imports and DuckDB"

type Event = dict[str, Any]


@dataclass(frozen=True)
class First:
    """A function, the first event that it gets, and what its start is compared with."""

    function: str
    event: Event
    floor: str = BARE


def first_requests(template: Template, make: Factory, sample: SampleTenant, identity: Identity) -> list[First]:
    """Of all functions. Raises KeyError for one that has neither routes that are plain to ask nor an event here."""
    base = str(make.knowledge_base(sample.tenant))
    names = {"{slug}": sample.tenant.slug, "{knowledge_base_id}": base}
    known = everyday(make, sample, identity, base)
    return [
        First(name, known[name] if name in known else found(template, function, sample, names), floor(function))
        for name, function in template.functions.items()
    ]


def everyday(make: Factory, sample: SampleTenant, identity: Identity, base: str) -> dict[str, Event]:
    caller, slug = sample.tenant.owner, sample.tenant.slug
    key = {"authorization": f"Bearer {make.api_key(sample.tenant).token()}"}
    started: Event = {"eventName": "n8n.workflow.node", "ts": "2026-01-01T00:00:00Z", "payload": {}}
    token = identity.token(caller.user_id or "", caller.email or "")

    def get(path: str) -> Event:
        return http_event("GET", path, caller=caller)

    return {
        "AuthorizerFunction": {"identitySource": [f"Bearer {token}"]},
        "WorkflowsFunction": get(f"/routes/workflows/{sample.workflow}"),
        "ExecutionsFunction": get(f"/routes/workflow-executions/{sample.execution}"),
        "TenantsFunction": get(f"/routes/tenants/{slug}"),
        "LifecycleFunction": http_event("GET", f"/routes/status/{slug}", caller=make.super_admin()),
        "UsersFunction": get("/routes/me/role"),
        "PreferencesFunction": get(f"/routes/user-preferences/{caller.user_id}"),
        "KnowledgeSearchFunction": get(f"/routes/knowledge/{slug}/dead-letters"),
        "HistoryFunction": get("/routes/history/workflow-executions"),
        "ErasuresFunction": get(f"/routes/tenants/{slug}/erasures"),
        "AnalyticsFunction": get("/routes/analytics/executions"),
        "MembersFunction": get(f"/routes/tenants/{slug}/members"),
        "DocumentsFunction": get(f"/routes/knowledge-bases/{base}/documents"),
        "FilesFunction": http_event(
            "POST",
            f"/routes/knowledge-bases/{base}/files?name=refunds.txt",
            body="Refunds take two weeks.",
            headers={"content-type": "text/plain"},
            caller=caller,
        ),
        "EventsFunction": http_event("POST", "/routes/n8n/events", body=started, headers=key),
        "EmbedFunction": {"Records": []},
    }


def found(template: Template, function: Function, sample: SampleTenant, names: dict[str, str]) -> Event:
    """The list at the function's first path. A job and the migrations get an event without a word."""
    routes = [route.path for route in template.routes if route.function == function.name]
    plain = [path for path in routes if "+}" not in path]
    if not routes:
        return {}
    if not plain:
        raise KeyError(function.name)
    path = "/".join(names[part] if part.startswith("{") else part for part in plain[0].split("/"))
    return http_event("GET", path, caller=sample.tenant.owner)


def floor(function: Function) -> str:
    if function.name == "AuthorizerFunction":
        return BARE_AUTHORIZER
    return BARE_LAKE if function.schedules and any(layer.name == "lake" for layer in function.layers) else BARE
