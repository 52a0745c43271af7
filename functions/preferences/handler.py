"""Preferences of people over HTTP. Of two routes to one thing, that with names in its path is the original's."""

from typing import Annotated, Any

from fastapi import Response

from flomastr.database.session import Database
from flomastr.http.app import HELD, conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, tenant_db_if_named
from flomastr.http.etags import IfMatch, IfNoneMatch, created, tagged
from flomastr.http.fields import Message, Name, Text, UserId
from flomastr.http.paging import Page
from flomastr.tenancy import preferences
from flomastr.tenancy.preferences import UserPreferences

app = create_app("/routes/user-preferences", "preferences")
Reading = Annotated[Database, tenant_db_if_named("preferences:read")]
Writing = Annotated[Database, tenant_db_if_named("preferences:write")]
REPLACED: dict[int | str, dict[str, Any]] = {200: {"description": "Replaced.", "model": UserPreferences}}


@app.post("", status_code=201, responses=REPLACED | conflict(HELD))
async def store_preferences(
    new: preferences.NewPreferences, db: Writing, key: IdempotencyKeyHeader, response: Response
) -> UserPreferences:
    """In the tenant that is named. Without one, a person's own: the default in all tenants."""
    (stored,) = db.idempotent(preferences.store(new), key)
    response.status_code = 201 if stored.is_new else 200
    return created(stored, response, stored.path)


@app.get("/setting")
@app.get("/{user_id}/setting/{key}", name="get_setting_by_path")
async def get_setting(
    user_id: UserId, key: Name, db: Reading, known: IfNoneMatch, response: Response, default_value: Text | None = None
) -> preferences.Setting:
    """Its value in the tenant, else the own default, else default_value."""
    return tagged(db.one(preferences.setting(user_id, key, default_value)), response, known)


@app.put("/setting", responses=conflict(HELD))
@app.put("/{user_id}/setting/{key}", name="store_setting_by_path", responses=conflict(HELD))
async def store_setting(
    user_id: UserId, key: Name, new: preferences.NewSetting, db: Writing, if_match: IfMatch, response: Response
) -> preferences.StoredSetting:
    """Made if it is not there; with If-Match it must be."""
    return tagged(db.one(preferences.store_setting(user_id, key, new, if_match)), response)


@app.delete("/setting", responses=conflict(HELD))
async def delete_setting(user_id: UserId, key: Name, db: Writing, if_match: IfMatch) -> Message:
    db.one(preferences.delete_setting(user_id, key, if_match))
    return Message(message="The setting is deleted.")


@app.get("")
@app.get("/{user_id}", name="list_preferences_by_path")
async def list_preferences(user_id: UserId, db: Reading, page: Page, response: Response) -> list[UserPreferences]:
    """In a tenant its row and the own default, else those of all own tenants. The ETag is that of what PUT replaces."""
    found = page.fetched(preferences.newest(user_id, page), preferences.count(user_id), db, response)
    return [tagged(row, response) if row.is_here else row for row in page.cut(found, response)]


@app.put("", responses=conflict(HELD))
@app.put("/{user_id}", name="replace_preferences_by_path", responses=conflict(HELD))
async def replace_preferences(
    user_id: UserId, change: preferences.PreferencesChange, db: Writing, if_match: IfMatch, response: Response
) -> UserPreferences:
    return tagged(db.one(preferences.replace(user_id, change, if_match)), response)


@app.delete("", responses=conflict(HELD))
@app.delete("/{user_id}", name="delete_preferences_by_path", responses=conflict(HELD))
async def delete_preferences(user_id: UserId, db: Writing, if_match: IfMatch) -> Message:
    db.one(preferences.delete(user_id, if_match))
    return Message(message="The preferences are deleted.")


lambda_handler = http_handler(app)
