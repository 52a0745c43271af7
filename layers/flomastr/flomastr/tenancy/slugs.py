"""Slugs that a tenant may be given. tests/test_reserved_slugs.py says which words of the API's paths are reserved."""

from typing import Annotated

from pydantic import AfterValidator

from flomastr.http.fields import Slug

RESERVED = frozenset((
    "alerts", "analytics", "api", "api-keys", "branding", "docs", "erasures", "hard-delete", "health", "history",
    "index", "knowledge", "knowledge-bases", "legal-holds", "me", "n8n", "reactivate", "recovery", "resolve-tenant",
    "restore", "soft-delete", "status", "suspend", "tenants", "undelete", "user-preferences", "users", "webchat",
    "workflow-executions", "workflows",
))  # fmt: skip


def not_reserved(slug: str) -> str:
    if slug in RESERVED:
        raise ValueError("is a word of the API's own paths")
    return slug


NewSlug = Annotated[Slug, AfterValidator(not_reserved)]
