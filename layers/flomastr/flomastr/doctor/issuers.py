"""The OIDC issuer: its keys, what it says of itself, and what a token of it says of a person."""

import json
import urllib.request
from typing import Any

from jwt import PyJWKSet, PyJWTError

from flomastr.auth import oidc
from flomastr.auth.oidc import ALGORITHMS, FETCH_SECONDS, InvalidTokenError, KeySet
from flomastr.doctor.verdicts import SkippedError, Verdict, fail, ok, warn
from flomastr.settings import settings

WITHOUT_EMAIL = (
    "Let the issuer put email and email_verified into its tokens: else invitations by e-mail and super admins"
    " are not known. docs/how-to/deploy.md has the lines for Clerk."
)
GIVE_A_TOKEN = "Examine a token of a real sign-in: --token."


def fetched(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=FETCH_SECONDS) as response:
        return json.load(response)


def issuer_keys() -> Verdict:
    """Whether the issuer publishes keys that tokens can be verified by. Raises SkippedError."""
    url = settings().oidc_jwks_url
    if not url:
        raise SkippedError("OIDC_JWKS_URL names none")
    try:
        keys = [key for key in PyJWKSet.from_dict(fetched(url)).keys if key.key_id]
    except (OSError, ValueError, PyJWTError, AttributeError, TypeError) as error:
        return fail(f"{url}: {error}", "Correct OidcJwksUrl: it is the jwks_uri that the issuer says of itself.")
    usable = [key for key in keys if key.algorithm_name in ALGORITHMS]
    if not usable:
        return fail(f"{url} has no key for {' or '.join(ALGORITHMS)}", "Let the issuer sign with one of these.")
    return ok(f"{len(usable)} of {len(keys)} keys can be used")


def issuer_metadata() -> Verdict:
    """Whether the issuer calls itself as tokens are compared, and says they have an e-mail. Raises SkippedError."""
    wanted = settings().oidc_issuer
    if not wanted:
        raise SkippedError("OIDC_ISSUER names none")
    url = settings().oidc_metadata_url or f"{wanted.rstrip('/')}/.well-known/openid-configuration"
    try:
        said = fetched(url)
        issuer, claims = said.get("issuer"), set(said.get("claims_supported", []))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        return warn(f"{url}: {error}", "Correct OidcMetadataUrl: people cannot sign in to the console.")
    if issuer != wanted:
        return fail(f"It calls itself {issuer}", f"OidcIssuer is {wanted}: take the one that it says, to the letter.")
    if missing := {"email", "email_verified"} - claims:
        return warn(f"{wanted} does not say that tokens carry {' and '.join(sorted(missing))}", GIVE_A_TOKEN)
    return ok(f"{wanted}, whose tokens may carry an e-mail")


def token_of_a_person(token: str) -> Verdict:
    """Whether the authorizer takes this token, and knows its person's e-mail. Raises SkippedError."""
    if not token:
        raise SkippedError("none was given")
    try:
        person = oidc.verify(token, KeySet(settings().oidc_jwks_url), settings())
    except InvalidTokenError as error:
        return fail(f"Refused: {error}", "Compare OidcIssuer, OidcAuthorizedParties and OidcAudiences with its claims.")
    if person.missing_claims:
        return warn(f"It has no {' and no '.join(person.missing_claims)}", WITHOUT_EMAIL)
    return ok("names its person, with a verified e-mail")
