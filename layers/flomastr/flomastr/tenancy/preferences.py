"""Preferences: one row for each person and tenant, and one without tenant, the person's default in all of them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import AfterValidator, Field

from flomastr.database.query import Count, Deleted, Query
from flomastr.errors import UnprocessableError
from flomastr.http.etags import Resource, Versioned
from flomastr.http.fields import Body, JsonObject, Name, TenantName, UserId, storable
from flomastr.http.paging import KEYSET, PageRequest

AS_ADDRESSED = "As addressed, else the write is refused. Send it where a path may have been cut."
type JsonValue = Annotated[Any, AfterValidator(storable)]
type Whose = Annotated[UserId | None, Field(description=AS_ADDRESSED)]


class UserPreferences(Resource):
    user_id: str
    tenant_id: UUID | None
    preferences: dict[str, Any]
    created_at: datetime
    updated_at: datetime | None
    is_here: bool = Field(default=True, exclude=True)  # in the request's own scope: the row that PUT replaces

    is_new: bool = Field(default=False, exclude=True)  # made by this request, or by the one that it repeats

    @property
    def path(self) -> str:
        tenant = {"tenant_id": self.tenant_id} if self.tenant_id else {}
        return f"/routes/user-preferences?{urlencode({'user_id': self.user_id} | tenant)}"


class NewPreferences(Body):
    tenant_id: TenantName | None = None
    user_id: UserId
    preferences: JsonObject = Field(default={})


class PreferencesChange(Body):
    preferences: JsonObject
    user_id: Whose = None


class Setting(Versioned):
    key: str
    value: Any
    user_id: str
    tenant_id: UUID | None  # null: the person's default


class StoredSetting(Setting):
    updated: Literal[True] = True


class NewSetting(Body):
    value: JsonValue
    user_id: Whose = None
    key: Annotated[Name | None, Field(description=AS_ADDRESSED)] = None


NO_MEMBER = "This person is no member of the tenant."
COLUMNS = """
  p.id, p.user_id, p.tenant_id, p.preferences, p.created_at, p.updated_at, app.etag(p) AS etag,
  p.tenant_id IS NOT DISTINCT FROM app.tenant() AS is_here
"""
SETTING_ETAG = "md5(concat(p.tenant_id, p.preferences -> %(key)s::text))"
SETTING = f"""
  %(key)s::text AS key, p.preferences -> %(key)s::text AS value, p.user_id, p.tenant_id, {SETTING_ETAG} AS etag
"""
# row-level security shows the person's default in a tenant too, and outside tenants the rows of all own ones
WRITTEN_ROW = "p.user_id = %(user_id)s AND p.tenant_id IS NOT DISTINCT FROM app.tenant()"
WRITTEN_SETTING = f"""
  {WRITTEN_ROW} AND p.preferences ? %(key)s::text AND app.require_match({SETTING_ETAG}, %(if_match)s)
"""
UPSERT_SETTING = f"""
INSERT INTO app.user_preferences AS p (user_id, preferences)
VALUES (%(user_id)s, app.bounded(jsonb_build_object(%(key)s::text, %(value)s), 'body.value'))
ON CONFLICT (tenant_id, user_id) DO UPDATE
SET preferences = app.bounded(p.preferences || excluded.preferences, 'body.value'), updated_at = now()
RETURNING {SETTING}
"""
UPDATE_SETTING = f"""
UPDATE app.user_preferences AS p
SET preferences = app.bounded(p.preferences || jsonb_build_object(%(key)s::text, %(value)s), 'body.value'),
  updated_at = now()
WHERE {WRITTEN_SETTING}
RETURNING {SETTING}
"""


def require_same(**named: tuple[str, str | None]) -> None:
    """What a body names, if anything, is what the request addresses. Raises UnprocessableError."""
    for field, (addressed, in_body) in named.items():
        if in_body not in (None, addressed):
            raise UnprocessableError(f"body.{field}: is not the one that the path or the query names")


def store(new: NewPreferences) -> Query[UserPreferences]:
    """Creates or replaces. A new row has no updated_at."""
    return Query(
        f"""
        INSERT INTO app.user_preferences AS p (user_id, preferences)
        VALUES (%(user_id)s, app.bounded(%(preferences)s, 'body.preferences'))
        ON CONFLICT (tenant_id, user_id) DO UPDATE SET preferences = excluded.preferences, updated_at = now()
        RETURNING {COLUMNS}, p.updated_at IS NULL AS is_new
        """,
        {"user_id": new.user_id, "preferences": Jsonb(new.preferences)},
        UserPreferences,
        missing=NO_MEMBER,
        kept="jsonb_build_object('id', effect.id, 'is_new', effect.is_new)",
        reread=stored,
    )


def stored(kept: dict[str, Any]) -> Query[UserPreferences]:
    """What a repeat answers: the row as it is now, and whether it was new then."""
    return Query(
        f"SELECT {COLUMNS}, %(is_new)s::boolean AS is_new FROM app.user_preferences AS p WHERE p.id = %(id)s",
        kept,
        UserPreferences,
    )


def newest(user_id: str, page: PageRequest) -> Query[UserPreferences]:
    """In a tenant its row and the person's default, outside tenants the rows of all own ones."""
    return Query(
        f"SELECT {COLUMNS} FROM app.user_preferences AS p WHERE p.user_id = %(user_id)s AND {KEYSET}",
        {"user_id": user_id} | page.params(),
        UserPreferences,
    )


def count(user_id: str) -> Query[Count]:
    """How many rows `newest` lists, on all pages."""
    return Query(
        "SELECT count(*) FROM app.user_preferences AS p WHERE p.user_id = %(user_id)s", {"user_id": user_id}, Count
    )


def replace(user_id: str, change: PreferencesChange, if_match: list[str] | None) -> Query[UserPreferences]:
    """No row: there are none to replace. Refused with 412, 422 `preferences_too_large`.

    Raises UnprocessableError if the body names another person.
    """
    require_same(user_id=(user_id, change.user_id))
    return Query(
        f"""
        UPDATE app.user_preferences AS p
        SET preferences = app.bounded(%(preferences)s, 'body.preferences'), updated_at = now()
        WHERE {WRITTEN_ROW} AND app.require_match(app.etag(p), %(if_match)s)
        RETURNING {COLUMNS}
        """,
        {"user_id": user_id, "preferences": Jsonb(change.preferences), "if_match": if_match},
        UserPreferences,
    )


def delete(user_id: str, if_match: list[str] | None) -> Query[Deleted]:
    """No row: there are none. Refused with 412, 409 `legal_hold`."""
    return Query(
        f"""
        DELETE FROM app.user_preferences AS p
        WHERE {WRITTEN_ROW} AND app.require_match(app.etag(p), %(if_match)s)
        RETURNING p.id
        """,
        {"user_id": user_id, "if_match": if_match},
        Deleted,
    )


def setting(user_id: str, key: str, default_value: str | None) -> Query[Setting]:
    """In a tenant its value, else the person's default, else default_value."""
    return Query(
        f"""
        SELECT {SETTING}
        FROM (
          SELECT p.user_id, p.tenant_id, p.preferences, p.tenant_id IS NULL AS is_default, false AS is_given
          FROM app.user_preferences AS p
          WHERE p.user_id = %(user_id)s AND (p.tenant_id = app.tenant() OR p.tenant_id IS NULL)
          UNION ALL
          SELECT %(user_id)s, NULL, jsonb_build_object(%(key)s::text, %(default_value)s::text), true, true
          WHERE %(default_value)s::text IS NOT NULL
        ) AS p
        WHERE p.preferences ? %(key)s::text ORDER BY p.is_given, p.is_default LIMIT 1
        """,
        {"user_id": user_id, "key": key, "default_value": default_value},
        Setting,
    )


def store_setting(user_id: str, key: str, new: NewSetting, if_match: list[str] | None) -> Query[StoredSetting]:
    """One statement, so that settings stored at the same time are all kept. With If-Match the setting must exist."""
    require_same(user_id=(user_id, new.user_id), key=(key, new.key))
    return Query(
        UPSERT_SETTING if if_match is None else UPDATE_SETTING,
        {"user_id": user_id, "key": key, "value": Jsonb(new.value), "if_match": if_match},
        StoredSetting,
        missing=NO_MEMBER,
    )


def delete_setting(user_id: str, key: str, if_match: list[str] | None) -> Query[Deleted]:
    """Deletes one key of the preferences. No row: there is none. Refused with 412, 409 `legal_hold`."""
    return Query(
        f"""
        UPDATE app.user_preferences AS p
        SET preferences = p.preferences - %(key)s::text, updated_at = now()
        WHERE {WRITTEN_SETTING} AND app.require_not_held(p.tenant_id)
        RETURNING p.id
        """,
        {"user_id": user_id, "key": key, "if_match": if_match},
        Deleted,
    )
