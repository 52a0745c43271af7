"""Who is calling, as the authorizer has verified it."""

from pydantic import BaseModel, ConfigDict


class Caller(BaseModel):
    """A person (user_id) or a machine (key_id). app.authorize decides what it may do."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    user_id: str | None = None
    email: str | None = None  # only when the issuer has verified it
    key_id: str | None = None
    key_hash: str | None = None  # hexadecimal SHA-256 of the key's secret
