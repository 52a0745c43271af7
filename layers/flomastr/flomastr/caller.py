"""Who is calling, as the authorizer has verified it."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

SUBJECT = re.compile(r"(?!mailto:)(?=.*\S)[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255}", re.IGNORECASE)

type Printable = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
type Claim = Literal["email", "email_verified"]


class Caller(BaseModel):
    """A person (user_id) or a machine (key_id). app.authorize decides what it may do."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    user_id: str | None = None
    email: Printable | None = None  # only when the issuer has verified it
    missing_claims: list[Claim] | None = None  # of a person without e-mail
    key_id: str | None = None
    key_hash: str | None = None  # hexadecimal SHA-256 of the key's secret

    @property
    def lacks(self) -> list[Claim]:
        """The claims by which the token of a person would say a verified e-mail."""
        if self.email or self.key_id:
            return []
        return self.missing_claims or ["email", "email_verified"]


def is_subject(user_id: object) -> bool:
    """Whether a token may name a person so: 1 to 255 characters, one of them no space and none a control character.

    `mailto:` names who is invited and has not accepted yet, so whoever is called so would be that person.
    """
    return isinstance(user_id, str) and SUBJECT.fullmatch(user_id) is not None
