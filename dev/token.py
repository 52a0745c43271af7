"""`python -m dev token`: a token for a person, made up on the spot."""

from pathlib import Path

from dev.services.database import database
from dev.services.oidc_issuer import Identity
from dev.services.postgres import reach


def print_token(user: str, email: str, super_admin: bool, data: Path) -> None:
    """Print the token and nothing else, so that a shell can take it as it is."""
    if super_admin:
        with database(data, reach) as found:
            found.make_super_admin(email)
    print(Identity(data).token(user, email))
