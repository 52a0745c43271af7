"""Whom one may be on the local platform."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    id: str
    email: str
    name: str
    about: str
    role: str | None = None  # in the demo's tenant
    is_super_admin: bool = False


OWNER = Person("demo-owner", "owner@demo.example", "Olive", "Owner of the tenant Demo", role="owner")
PEOPLE = (
    OWNER,
    Person("demo-member", "member@demo.example", "Max", "Member of the tenant Demo", role="member"),
    Person("operator", "operator@flomastr.example", "Paula", "Super admin of the platform", is_super_admin=True),
)
