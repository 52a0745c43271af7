"""The environment, as one frozen model. No other module reads it."""

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flomastr.errors import Unavailable


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=str.upper)

    database_secret: str = ""  # a Secrets Manager id: see Credentials
    database_url: str = ""  # local runs only, in place of the secret
    signing_key: str = ""  # local runs only, in place of the secret
    archive_bucket: str = ""
    s3_endpoint: str = ""  # an address such as https://fra1.digitaloceanspaces.com; empty: AWS S3
    embeddings_url: str = ""  # of an endpoint that speaks OpenAI's API, such as https://api.openai.com/v1
    embedding_models: str = ""  # comma separated; new knowledge bases begin with the first
    embed_queue_url: str = ""
    sqs_endpoint: str = ""  # local runs only; empty: AWS SQS
    oidc_issuer: str = ""
    oidc_jwks_url: str = ""
    oidc_authorized_parties: str = ""  # comma separated; empty admits any


class Credentials(BaseModel):
    """The secret: where the database is, whom to believe that it is the database, and what signs cursors.

    Object storage that is not AWS's has keys of its own; AWS S3 knows the function by its role. The embeddings endpoint
    has one that is its provider's.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    url: str
    ca_certificate: str
    signing_key: str = Field(min_length=32)
    s3_access_key_id: str | None = None
    s3_secret_access_key: str | None = None
    embeddings_api_key: str | None = None


@cache
def settings() -> Settings:
    return Settings.model_validate(dict(os.environ))


def database_url(*, fresh: bool = False) -> str:
    """A libpq URL. From the secret it always verifies the server's certificate and name."""
    if settings().database_url:
        return settings().database_url
    secret = credentials(fresh=fresh)
    root = Path(tempfile.gettempdir()) / "database-ca.crt"
    root.write_text(secret.ca_certificate)
    separator = "&" if "?" in secret.url else "?"
    return f"{secret.url}{separator}sslmode=verify-full&sslrootcert={root}"


def signing_key() -> bytes:
    return (settings().signing_key or credentials().signing_key).encode()


def storage_keys() -> tuple[str | None, str | None]:
    """Of object storage that is not AWS's. None: those of the function's role, or of the environment."""
    if settings().database_url:
        return None, None
    secret = credentials()
    return secret.s3_access_key_id, secret.s3_secret_access_key


def embeddings_key() -> str:
    """Of the embeddings endpoint. One that needs none passes over it."""
    if settings().database_url:
        return "local"
    return (credentials().embeddings_api_key or "").strip()


def embedding_models() -> list[str]:
    return [name for name in settings().embedding_models.split(",") if name]


def credentials(*, fresh: bool = False) -> Credentials:
    """The secret, kept for five minutes. `fresh` asks again: the password may have been rotated."""
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    try:
        secret = secrets().get(settings().database_secret, force_fetch=fresh)
    except GetParameterError as error:
        raise Unavailable("The database's secret cannot be read at the moment.") from error
    try:
        return Credentials.model_validate_json(secret)
    except ValidationError as error:  # which tells the fields, and hides what is in them
        raise Unavailable("The database's secret has not the documented form.") from error


@cache
def secrets() -> Any:
    """Imported here, since it loads boto3: only where there is a secret to read."""
    from aws_lambda_powertools.utilities.parameters import SecretsProvider
    from botocore.config import Config

    return SecretsProvider(boto_config=Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 2}))
