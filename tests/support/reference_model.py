"""Tenants, members, workflows and executions in memory: what the platform must answer, written a second time."""

from dataclasses import dataclass, field
from typing import Literal

RANKS = ["", "member", "admin", "owner", "super_admin"]
NEEDED = {"tenant:write": "admin", "members:write": "admin", "tenant:delete": "owner"}
STATES = ["running", "crashed", "canceled", "error", "success"]  # of executions: a later one wins

type Lifecycle = Literal["suspend", "reactivate", "soft-delete", "undelete", "restore"]


class RefusedError(Exception):
    def __init__(self, status: int):
        self.status = status


@dataclass
class Member:
    role: str
    status: str = "active"
    invited_by: str | None = None  # who vouches for an invitation; nobody where the platform does


@dataclass
class Workflow:
    name: str
    etag: str


@dataclass
class Execution:
    workflow: str
    status: str


@dataclass
class Tenant:
    slug: str
    name: str
    members: dict[str, Member]
    state: str = "active"
    deleted: bool = False
    workflows: dict[str, Workflow] = field(default_factory=dict[str, Workflow])
    executions: dict[str, Execution] = field(default_factory=dict[str, Execution])  # by n8n_execution_id

    def role_of(self, person: str, super_admin: bool, scope: str) -> str:
        """The role in which a person acts, else an error."""
        member = self.members.get(person)
        if scope == "invitation:write":
            role = member.role if member else ""
        else:
            role = "super_admin" if super_admin else member.role if member and member.status == "active" else ""
        if self.deleted or not role:
            raise RefusedError(404)
        if RANKS.index(role) < RANKS.index(NEEDED.get(scope, "member")):
            raise RefusedError(403)
        if self.state != "active" and not (scope.endswith(":read") and role in ("owner", "super_admin")):
            raise RefusedError(403)
        return role

    def keep_an_owner(self, leaving: Member) -> None:
        owners = [m for m in self.members.values() if (m.role, m.status) == ("owner", "active")]
        if owners == [leaving]:
            raise RefusedError(409)


@dataclass
class Platform:
    tenants: list[Tenant]
    super_admin: str

    def role_of(self, person: str, tenant: Tenant, scope: str) -> str:
        return tenant.role_of(person, person == self.super_admin, scope)

    def outrank(self, role: str, *others: str) -> None:
        if RANKS.index(role) < max(RANKS.index(other) for other in ("admin", *others)):
            raise RefusedError(403)

    def invite(self, person: str, tenant: Tenant, whom: str, role: str) -> int:
        self.outrank(self.role_of(person, tenant, "members:write"), role)
        if whom in tenant.members:
            raise RefusedError(409)
        tenant.members[whom] = Member(role, "pending", None if person == self.super_admin else person)
        return 201

    def answer_invitation(self, person: str, tenant: Tenant, accepts: bool) -> int:
        self.role_of(person, tenant, "invitation:write")
        invited = tenant.members[person]
        if invited.status != "pending":
            raise RefusedError(404)
        if accepts:
            self.vouch(tenant, invited)
            invited.status = "active"
        else:
            del tenant.members[person]
        return 200

    def vouch(self, tenant: Tenant, invited: Member) -> None:
        """What one may no longer give is no longer accepted."""
        if invited.invited_by is None:
            return
        inviter = tenant.members.get(invited.invited_by)
        role = inviter.role if inviter and inviter.status == "active" else ""
        if RANKS.index(role) < max(RANKS.index(invited.role), RANKS.index("admin")):
            raise RefusedError(409)

    def change_role(self, person: str, tenant: Tenant, whom: str, role: str) -> int:
        own = self.role_of(person, tenant, "members:write")
        self.outrank(own, role)
        member = found(tenant.members, whom)
        self.outrank(own, member.role)
        if role != "owner":
            tenant.keep_an_owner(member)
        member.role = role
        return 200

    def remove(self, person: str, tenant: Tenant, whom: str) -> int:
        own = self.role_of(person, tenant, "membership:write")
        member = found(tenant.members, whom)
        if person != whom:
            self.outrank(own, member.role)
        tenant.keep_an_owner(member)
        del tenant.members[whom]
        return 200

    def rename_tenant(self, person: str, tenant: Tenant, name: str) -> int:
        self.role_of(person, tenant, "tenant:write")
        tenant.name = name
        return 200

    def delete_tenant(self, person: str, tenant: Tenant) -> int:
        self.role_of(person, tenant, "tenant:delete")
        tenant.deleted = True
        return 200

    def change_state(self, person: str, tenant: Tenant, action: Lifecycle) -> int:
        if person != self.super_admin:
            raise RefusedError(403)
        state = "deleted" if tenant.deleted else tenant.state
        possible = {"suspend": "active", "reactivate": "suspended", "undelete": "deleted", "restore": "deleted"}
        if (state == "deleted") if action == "soft-delete" else (state != possible[action]):
            raise RefusedError(409)
        tenant.state = {"suspend": "suspended", "reactivate": "active"}.get(action, tenant.state)
        tenant.deleted = action == "soft-delete"
        return 200

    def create_workflow(self, person: str, tenant: Tenant, id: str, workflow: Workflow) -> int:
        self.role_of(person, tenant, "workflows:write")
        tenant.workflows[id] = workflow
        return 201

    def rename_workflow(self, person: str, tenant: Tenant, id: str, if_match: str, workflow: Workflow) -> int:
        self.role_of(person, tenant, "workflows:write")
        if if_match != found(tenant.workflows, id).etag:
            raise RefusedError(412)
        tenant.workflows[id] = workflow
        return 200

    def delete_workflow(self, person: str, tenant: Tenant, id: str) -> int:
        self.role_of(person, tenant, "workflows:write")
        found(tenant.workflows, id)
        del tenant.workflows[id]
        tenant.executions = {run: e for run, e in tenant.executions.items() if e.workflow != id}
        return 200

    def record(self, person: str, tenant: Tenant, workflow: str, run: str, status: str) -> int:
        self.role_of(person, tenant, "executions:write")
        found(tenant.workflows, workflow)
        known = tenant.executions.get(run)
        if known is None:
            tenant.executions[run] = Execution(workflow, status)
            return 201
        if known.workflow != workflow:
            raise RefusedError(409)
        known.status = max(known.status, status, key=STATES.index)
        return 200

    def read_workflow(self, person: str, tenant: Tenant, id: str) -> int:
        self.role_of(person, tenant, "workflows:read")
        found(tenant.workflows, id)
        return 200

    def own_tenants(self, person: str) -> dict[str, str]:
        """Slug and name of where one belongs and may come in."""
        return {
            tenant.slug: tenant.name
            for tenant in self.tenants
            for member in (tenant.members.get(person),)
            if member and member.status == "active" and not tenant.deleted
            if tenant.state == "active" or member.role == "owner"
        }


def found[Thing](things: dict[str, Thing], name: str) -> Thing:
    if name not in things:
        raise RefusedError(404)
    return things[name]
