"""How a tenant looks: its colour and its logo, in tenants.branding_settings."""

from typing import Annotated
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import AfterValidator, StringConstraints

from flomastr.database.query import Query
from flomastr.http.etags import Versioned
from flomastr.http.fields import Changes
from flomastr.http.patterns import COLOUR, NO_NUL
from flomastr.tenancy.svg import MAX_BYTES, sanitised

type Colour = Annotated[str, StringConstraints(pattern=COLOUR)]
type Svg = Annotated[str, StringConstraints(max_length=MAX_BYTES, pattern=NO_NUL), AfterValidator(sanitised)]


class Branding(Versioned):
    tenant_id: UUID
    brand_primary: str
    logo_svg: str | None


class BrandingChanges(Changes):
    """A logo is kept as what is left of it without script, styles and references to elsewhere."""

    brand_primary: Colour | None = None
    logo_svg: Svg | None = None


COLUMNS = """
  t.id AS tenant_id, coalesce(t.branding_settings ->> 'brand_primary', '#0052cc') AS brand_primary,
  t.branding_settings ->> 'logo_svg' AS logo_svg, app.etag(t.branding_settings) AS etag
"""


def get() -> Query[Branding]:
    """Colour and logo of the tenant; the default colour where none is set."""
    return Query(f"SELECT {COLUMNS} FROM app.tenants AS t WHERE t.id = app.tenant()", {}, Branding)


def update(changes: BrandingChanges, if_match: list[str] | None) -> Query[Branding]:
    """Fields that are not set stay, null resets one. Refused with 412."""
    return Query(
        f"""
        UPDATE app.tenants AS t
        SET branding_settings = t.branding_settings - %(named)s::text[] || jsonb_strip_nulls(%(changes)s),
          updated_at = now()
        WHERE t.id = app.tenant() AND app.require_match(app.etag(t.branding_settings), %(if_match)s)
        RETURNING {COLUMNS}
        """,
        {
            "named": list(changes.model_fields_set),
            "changes": Jsonb(changes.model_dump(exclude_unset=True)),
            "if_match": if_match,
        },
        Branding,
    )


def reset(if_match: list[str] | None) -> Query[Branding]:
    """Takes colour and logo back to the default. Refused with 412."""
    return Query(
        f"""
        UPDATE app.tenants AS t
        SET branding_settings = t.branding_settings - 'brand_primary' - 'logo_svg', updated_at = now()
        WHERE t.id = app.tenant() AND app.require_match(app.etag(t.branding_settings), %(if_match)s)
        RETURNING {COLUMNS}
        """,
        {"if_match": if_match},
        Branding,
    )
