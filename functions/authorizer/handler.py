"""The Lambda authorizer: turns a bearer token or an API key into a verified caller, or refuses it."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr.auth import api_key_tokens, oidc
from flomastr.auth.oidc import InvalidTokenError, KeySet
from flomastr.caller import Caller
from flomastr.database.session import ask
from flomastr.errors import ServiceError, UnavailableError
from flomastr.observability import instrumented, logger
from flomastr.settings import settings

DATABASE_SECONDS = 2.0
keys = KeySet(settings().oidc_jwks_url)


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    scheme, _, token = event["identitySource"][0].partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise InvalidTokenError("no bearer token")
        caller = machine(token) if token.startswith("flo_") else oidc.verify(token, keys, settings())
    except (InvalidTokenError, ServiceError) as error:
        logger.info("Refused", reason=str(error))
        return {"isAuthorized": False}
    return {"isAuthorized": True, "context": caller.model_dump(exclude_none=True)}


def machine(token: str) -> Caller:
    key = api_key_tokens.parse(token)
    if key is None:
        raise InvalidTokenError("no API key has this form")
    try:
        ask(api_key_tokens.verify(key), DATABASE_SECONDS)
    except UnavailableError:
        logger.warning("API key not verified here: app.authorize verifies it with the request")
    return Caller(key_id=key.id, key_hash=key.secret_hash.hex())
