"""Any sequence of requests to three tenants answers what a model in memory answers, and shows no foreign row."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test  # pyright: ignore

from dev.services.postgres import Cluster
from flomastr.caller import Caller
from functions.executions.handler import lambda_handler as executions
from functions.lifecycle.handler import lambda_handler as lifecycle
from functions.members.handler import lambda_handler as members
from functions.tenants.handler import lambda_handler as tenants
from functions.workflows.handler import lambda_handler as workflows
from tests.support.connected import connected
from tests.support.databases import copy
from tests.support.events import Answer, call
from tests.support.factories import Factory
from tests.support.reference_model import STATES, Lifecycle, Member, Platform, RefusedError, Tenant, Workflow

SEQUENCES, STEPS = 30, 100
ONE_SEQUENCE = settings(
    max_examples=2,  # the first is the simplest, which has one step
    stateful_step_count=STEPS,
    phases=[Phase.generate],  # a sequence that fails is reported as it is: making it shorter takes minutes
    database=None,
    deadline=None,
    suppress_health_check=list[Any](HealthCheck),
)

TENANTS = st.integers(0, 2)
FRAGILE = st.integers(1, 2)  # those that are deleted and suspended at times
PEOPLE = st.sampled_from([3, 6, 4, 0, 1, 2, 5, 3, 4])  # owners 0 to 2, admin, member, stranger, super admin
INDEXES = st.integers(0, 15)  # of a workflow: the odd ones in the tenant, the even ones among all that ever were
ROLES = st.sampled_from(["member", "admin", "owner"])
NAMES = st.text("ab", min_size=1, max_size=3)


class Requests(RuleBasedStateMachine):
    """Each rule sends a request and asks the model what must have come of it."""

    def __init__(self, make: Factory):
        super().__init__()
        made = [make.tenant() for _ in range(3)]
        admin, member, stranger = (make.person() for _ in range(3))
        self.people: list[Caller] = [*(tenant.owner for tenant in made), admin, member, stranger, make.super_admin()]
        self.ids = [str(person.user_id) for person in self.people]
        self.model = Platform([], super_admin=self.ids[-1])
        self.workflows = [str(uuid4())]  # all that ever were, in whatever tenant, and one that never was
        for index, tenant in enumerate(made):
            make.member(tenant.id, admin, "admin")
            make.member(tenant.id, member)
            roles = {self.ids[index]: "owner", self.ids[3]: "admin", self.ids[4]: "member"}
            members = {person: Member(role) for person, role in roles.items()}
            self.model.tenants.append(Tenant(tenant.slug, "A tenant", members))
            self.create_workflow(index, index, "a")

    def ask(self, handler: Any, method: str, path: str, who: int, **request: Any) -> Answer:
        return call(handler, method, path, caller=self.people[who], **request)

    def same(self, answer: Answer, act: Callable[..., int], who: int, tenant: int, *about: Any) -> bool:
        """Whether it succeeded, as it must have."""
        try:
            expected = act(self.ids[who], self.model.tenants[tenant], *about)
        except RefusedError as refusal:
            expected = refusal.status
        assert answer.status == expected, (answer.status, expected, answer.body)
        return expected < 400

    def slug(self, tenant: int) -> str:
        return self.model.tenants[tenant].slug

    def workflow(self, tenant: int, index: int) -> str:
        here = list(self.model.tenants[tenant].workflows)
        among = here if here and index % 2 else self.workflows
        return among[index // 2 % len(among)]

    def invited(self) -> list[tuple[int, int]]:
        """Who, and into which tenant."""
        return [
            (self.ids.index(person), index)
            for index, tenant in enumerate(self.model.tenants)
            for person, member in tenant.members.items()
            if member.status == "pending"
        ]

    @rule(who=PEOPLE, tenant=TENANTS, whom=PEOPLE, role=ROLES)
    def invite(self, who: int, tenant: int, whom: int, role: str) -> None:
        body = {"user_id": self.ids[whom], "role": role}
        answer = self.ask(members, "POST", f"/routes/tenants/{self.slug(tenant)}/members", who, body=body)
        if self.same(answer, self.model.invite, who, tenant, self.ids[whom], role):
            self.see_the_own_tenants(whom)

    @rule(who=PEOPLE, tenant=TENANTS, accepts=st.booleans())
    def answer_invitation(self, who: int, tenant: int, accepts: bool) -> None:
        verb = "accept" if accepts else "decline"
        answer = self.ask(members, "POST", f"/routes/tenants/{self.slug(tenant)}/invitation/{verb}", who)
        self.same(answer, self.model.answer_invitation, who, tenant, accepts)

    @precondition(lambda self: bool(self.invited()))
    @rule(index=st.integers(0, 5), accepts=st.sampled_from([True, True, False]))
    def answer_an_invitation_that_there_is(self, index: int, accepts: bool) -> None:
        invited = self.invited()
        self.answer_invitation(*invited[index % len(invited)], accepts)

    @rule(who=PEOPLE, tenant=TENANTS, whom=PEOPLE, role=ROLES)
    def change_role(self, who: int, tenant: int, whom: int, role: str) -> None:
        path = f"/routes/tenants/{self.slug(tenant)}/member?user_id={self.ids[whom]}"
        answer = self.ask(members, "PUT", path, who, body={"role": role})
        self.same(answer, self.model.change_role, who, tenant, self.ids[whom], role)

    @rule(who=PEOPLE, tenant=TENANTS, whom=PEOPLE)
    def remove(self, who: int, tenant: int, whom: int) -> None:
        path = f"/routes/tenants/{self.slug(tenant)}/member?user_id={self.ids[whom]}"
        self.same(self.ask(members, "DELETE", path, who), self.model.remove, who, tenant, self.ids[whom])

    @rule(who=PEOPLE, tenant=TENANTS, name=NAMES)
    def rename_tenant(self, who: int, tenant: int, name: str) -> None:
        answer = self.ask(tenants, "PUT", f"/routes/tenants/{self.slug(tenant)}", who, body={"name": name})
        self.same(answer, self.model.rename_tenant, who, tenant, name)

    @rule(who=PEOPLE, tenant=FRAGILE)
    def delete_tenant(self, who: int, tenant: int) -> None:
        answer = self.ask(tenants, "DELETE", f"/routes/tenants/{self.slug(tenant)}", who)
        self.same(answer, self.model.delete_tenant, who, tenant)

    @rule(
        who=st.sampled_from([0, 6, 6, 6]),
        tenant=FRAGILE,
        action=st.sampled_from(["suspend", "reactivate", "reactivate", "soft-delete", "undelete", "restore"]),
    )
    def change_state(self, who: int, tenant: int, action: Lifecycle) -> None:
        answer = self.ask(lifecycle, "POST", f"/routes/{action}", who, body={"tenant_id": self.slug(tenant)})
        self.same(answer, self.model.change_state, who, tenant, action)

    @rule(who=PEOPLE, tenant=TENANTS, name=NAMES)
    def create_workflow(self, who: int, tenant: int, name: str) -> None:
        body = {"tenant_id": self.slug(tenant), "name": name}
        answer = self.ask(workflows, "POST", "/routes/workflows", who, body=body)
        id = answer.json.get("id", "")
        made = Workflow(name, answer.headers.get("etag", ""))
        if self.same(answer, self.model.create_workflow, who, tenant, id, made):
            self.workflows.append(id)

    @rule(who=PEOPLE, tenant=TENANTS, index=INDEXES, name=NAMES, is_stale=st.booleans())
    def rename_workflow(self, who: int, tenant: int, index: int, name: str, is_stale: bool) -> None:
        id = self.workflow(tenant, index)
        known = self.model.tenants[tenant].workflows.get(id)
        if_match = '"stale"' if is_stale or known is None else known.etag
        headers = {"x-tenant": self.slug(tenant), "if-match": if_match}
        answer = self.ask(workflows, "PUT", f"/routes/workflows/{id}", who, headers=headers, body={"name": name})
        renamed = Workflow(name, answer.headers.get("etag", ""))
        self.same(answer, self.model.rename_workflow, who, tenant, id, if_match, renamed)

    @rule(who=PEOPLE, tenant=TENANTS, index=INDEXES)
    def delete_workflow(self, who: int, tenant: int, index: int) -> None:
        id = self.workflow(tenant, index)
        answer = self.ask(workflows, "DELETE", f"/routes/workflows/{id}", who, query={"tenant_id": self.slug(tenant)})
        self.same(answer, self.model.delete_workflow, who, tenant, id)

    @rule(who=PEOPLE, tenant=TENANTS, index=INDEXES)
    def read_workflow(self, who: int, tenant: int, index: int) -> None:
        id = self.workflow(tenant, index)
        answer = self.ask(workflows, "GET", f"/routes/workflows/{id}", who, query={"tenant_id": self.slug(tenant)})
        if self.same(answer, self.model.read_workflow, who, tenant, id):
            known = self.model.tenants[tenant].workflows[id]
            assert (answer.json["name"], answer.headers["etag"]) == (known.name, known.etag)

    @rule(who=PEOPLE, tenant=TENANTS, index=INDEXES, run=st.sampled_from("123"), status=st.sampled_from(STATES))
    def record(self, who: int, tenant: int, index: int, run: str, status: str) -> None:
        workflow = self.workflow(tenant, index)
        body = {"workflow_id": workflow, "n8n_execution_id": run, "status": status}
        body["tenant_id"] = self.slug(tenant)
        answer = self.ask(executions, "POST", "/routes/workflow-executions", who, body=body)
        if self.same(answer, self.model.record, who, tenant, workflow, run, status):
            assert answer.json["status"] == self.model.tenants[tenant].executions[run].status

    @rule(who=PEOPLE)
    def see_the_own_tenants(self, who: int) -> None:
        if who == len(self.people) - 1:
            return  # super admins see those of other tests as well
        answer = self.ask(tenants, "GET", "/routes/tenants", who)
        assert {tenant["slug"]: tenant["name"] for tenant in answer.json} == self.model.own_tenants(self.ids[who])

    @rule(who=PEOPLE, tenant=TENANTS)
    def see_all_of_a_tenant(self, who: int, tenant: int) -> None:
        """Each list is the model's, so that nothing is missing and nothing is another tenant's."""
        here = self.model.tenants[tenant]
        lists: list[tuple[Any, str, str, Any, dict[str, Any]]] = [
            (members, f"/routes/tenants/{here.slug}/members", "members:read", member_of, {
                id: (member.role, member.status) for id, member in here.members.items()
            }),
            (workflows, f"/routes/workflows?tenant_id={here.slug}", "workflows:read", workflow_of, {
                id: workflow.name for id, workflow in here.workflows.items()
            }),
            (executions, f"/routes/workflow-executions?tenant_id={here.slug}", "executions:read", execution_of, {
                run: (execution.workflow, execution.status) for run, execution in here.executions.items()
            }),
        ]  # fmt: skip
        for handler, path, scope, read, expected in lists:
            answer = self.ask(handler, "GET", path, who)
            if self.same(answer, self.may_read, who, tenant, scope):
                assert dict(map(read, answer.json)) == expected

    def may_read(self, person: str, tenant: Tenant, scope: str) -> int:
        self.model.role_of(person, tenant, scope)
        return 200

    def teardown(self) -> None:
        for tenant in range(3):
            self.see_all_of_a_tenant(len(self.people) - 1, tenant)


def member_of(row: dict[str, Any]) -> tuple[str, Any]:
    return row["user_id"], (row["role"], row["status"])


def workflow_of(row: dict[str, Any]) -> tuple[str, Any]:
    return row["id"], row["name"]


def execution_of(row: dict[str, Any]) -> tuple[str, Any]:
    return row["n8n_execution_id"], (row["workflow_id"], row["status"])


@pytest.fixture
def platform(server: Cluster, database_url: str) -> Iterator[Factory]:
    """In a database of its own, since a list of tenants looks at all of them, and other tests have made thousands."""
    with copy(server) as name, psycopg.connect(server.url("flo_app", name), autocommit=True) as conn:
        with connected(DATABASE_URL=urlsplit(database_url)._replace(path=name).geturl()):
            yield Factory(conn)


def test_any_sequence_of_requests_answers_what_the_model_answers(platform: Factory) -> None:
    for number in range(SEQUENCES):  # one by one, since Hypothesis would make most of them out of those before
        machine: Any = seed(number)(partial(Requests, platform))
        run_state_machine_as_test(machine, settings=ONE_SEQUENCE)
