"""The environment, as one frozen model. No other module reads it."""

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flomastr.errors import UnavailableError


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=str.upper)

    release: str = Field("", description="What is deployed: the version, and in a deployment its moment and commit.")
    database_secret: str = Field("", description="The id of a secret in Secrets Manager.")
    database_url: str = Field("", description="Local runs only, in place of the secret.")
    database_replica_url: str = Field("", description="Local runs only, in place of the secret's `replica_url`.")
    recording_secret: str = Field(
        "", description="The id of a secret like `DATABASE_SECRET`'s, for a job that records executions as `flo_app`."
    )
    recording_url: str = Field("", description="Local runs only, in place of that secret.")
    replica_max_lag_seconds: float = Field(10, description="Commits that a replica lacks are not older than this.")
    signing_secret: str = Field("", description="The id of a secret, which only functions that sign may read.")
    signing_key: str = Field("", description="Local runs only, in place of the secret.")
    storage_secret: str = Field("", description="The id of a secret, for the archive's functions alone; empty: AWS S3.")
    embeddings_secret: str = Field("", description="The id of a secret, for functions that embed; empty: no key.")
    archive_bucket: str = Field("", description="The bucket of the archive.")
    uploads_bucket: str = Field("", description="The bucket that clients send files to.")
    uploads_url: str = Field("", description="Where that bucket is reached, which is all that the console sends to.")
    s3_endpoint: str = Field(
        "", description="Address of object storage, such as https://fra1.digitaloceanspaces.com; empty: AWS S3."
    )
    backup_bucket: str = Field(
        "", description="The bucket of backups; empty: the archive's, with its address and keys."
    )
    backup_s3_endpoint: str = Field("", description="Address of the object storage of `BACKUP_BUCKET`; empty: AWS S3.")
    backup_storage_secret: str = Field(
        "", description="The id of a secret with the keys of `BACKUP_BUCKET`; empty: the function's role."
    )
    digitalocean_cluster: str = Field("", description="The id of the database's cluster; empty: no drills.")
    digitalocean_secret: str = Field("", description="The id of a secret with a token of DigitalOcean's API.")
    digitalocean_token: str = Field("", description="Local runs only, in place of the secret.")
    digitalocean_url: str = Field("https://api.digitalocean.com", description="Address of DigitalOcean's API.")
    embeddings_url: str = Field(
        "", description="Of an endpoint that speaks OpenAI's API, such as https://api.openai.com/v1."
    )
    embedding_models: str = Field("", description="Comma separated; new knowledge bases begin with the first.")
    rerank_url: str = Field(
        "", description="Of an endpoint that reranks, such as https://api.jina.ai/v1/rerank; empty: none."
    )
    rerank_model: str = Field(
        "", description="The model that is asked, as Cohere and Jina want; empty: the form of TEI."
    )
    embed_queue_url: str = Field("", description="The queue of `EmbedFunction`.")
    ingest_queue_url: str = Field("", description="The queue of `IngestFunction`.")
    sqs_endpoint: str = Field("", description="Local runs only; empty: AWS SQS.")
    webhooks_to_localhost: str = Field(
        "", description="Local runs only: `yes` allows alerts to go to http://127.0.0.1, and n8n to be there."
    )
    n8n_private_addresses: str = Field(
        "", description="`yes` allows n8n's addresses to be private ones, of the functions' VPC."
    )
    encryption_key: str = Field(
        "", description="The KMS key of n8n's API keys; empty, in local runs: `LOCAL_ENCRYPTION_KEY`."
    )
    local_encryption_key: str = Field("", description="Local runs only, in place of the KMS key. Any long random text.")
    oidc_issuer: str = Field("", description="The `iss` of the tokens that are accepted.")
    oidc_jwks_url: str = Field("", description="Where the issuer publishes its keys.")
    oidc_authorized_parties: str = Field("", description="The accepted `azp`, comma separated; empty admits any.")
    oidc_audiences: str = Field("", description="The accepted `aud`, comma separated; empty admits any.")
    oidc_metadata_url: str = Field("", description="Where the issuer describes itself; empty: where OIDC says.")
    console_client_id: str = Field("", description="The application that the console signs in as.")


class Secret(BaseModel):
    """What Secrets Manager keeps, as JSON. A function may read those that it needs."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class DatabaseSecret(Secret):
    url: str = Field(description="A libpq URL of the database, with user and password.")
    ca_certificate: str = Field(description="PEM. The database's certificate and name are verified against it.")
    replica_url: str = Field(
        "", description="A URL of a read replica, as `flo_app`; may be left out. Of no use to jobs and migrations."
    )


class SigningSecret(Secret):
    signing_key: str = Field(
        min_length=32,
        description="Any long random text. Signs list cursors and receipts; secrets of API keys are derived from it.",
    )


class StorageSecret(Secret):
    s3_access_key_id: str = Field(description="Of object storage that is not AWS's.")
    s3_secret_access_key: str = Field(description="Of object storage that is not AWS's.")


class DigitalOceanSecret(Secret):
    token: str = Field(
        description="Of an account that has the cluster, with the scopes database:read, create and delete."
    )


class EmbeddingsSecret(Secret):
    embeddings_api_key: str = Field(description="Of an embeddings endpoint that wants a key.")
    rerank_api_key: str = Field("", description="Of an endpoint that reranks and wants a key; may be left out.")


@cache
def settings() -> Settings:
    """The environment, read once per sandbox. Raises ValidationError where a variable does not fit."""
    return Settings.model_validate(dict(os.environ))


def database_url(*, fresh: bool = False) -> str:
    """A libpq URL. From the secret it always verifies the server's certificate and name. Raises UnavailableError."""
    if settings().database_url:
        return settings().database_url
    secret = read_secret(DatabaseSecret, settings().database_secret, fresh=fresh)
    return verifying(secret.url, secret.ca_certificate)


def recording_url(*, fresh: bool = False) -> str:
    """A libpq URL by which a job records what tenants' n8n has run, as flo_app. Raises UnavailableError."""
    if settings().recording_url:
        return settings().recording_url
    secret = read_secret(DatabaseSecret, settings().recording_secret, fresh=fresh)
    return verifying(secret.url, secret.ca_certificate)


def replica_url(*, fresh: bool = False) -> str:
    """A libpq URL of a read replica, or an empty one."""
    if settings().database_url:
        return settings().database_replica_url
    secret = read_secret(DatabaseSecret, settings().database_secret, fresh=fresh)
    return secret.replica_url and verifying(secret.replica_url, secret.ca_certificate)


def target_url(secret: str) -> str:
    """Of a database into which a backup is restored, as an administrator. In local runs `secret` is the URL."""
    if settings().database_url:
        return secret
    found = read_secret(DatabaseSecret, secret)
    return verifying(found.url, found.ca_certificate)


def verifying(url: str, ca_certificate: str) -> str:
    root = Path(tempfile.gettempdir()) / "database-ca.crt"
    if not root.exists() or root.read_text() != ca_certificate:  # another thread may be reading it
        root.write_text(ca_certificate)
    separator = "&" if "?" in url else "?"
    return f"{url}{separator}sslmode=verify-full&sslrootcert={root}"


def signing_key() -> bytes:
    """The secret behind cursors, receipts and the secrets of API keys. Raises UnavailableError."""
    key = settings().signing_key or read_secret(SigningSecret, settings().signing_secret).signing_key
    return key.encode()


def storage_keys() -> tuple[str | None, str | None]:
    """Of object storage that is not AWS's. None: those of the function's role, or of the environment."""
    return keys_in(settings().storage_secret)


def backup_keys() -> tuple[str | None, str | None]:
    """Of the bucket of backups, where that is another account's. None: as above."""
    return keys_in(settings().backup_storage_secret)


def keys_in(secret: str) -> tuple[str | None, str | None]:
    if not secret:
        return None, None
    keys = read_secret(StorageSecret, secret)
    return keys.s3_access_key_id, keys.s3_secret_access_key


def digitalocean_token() -> str:
    """Of DigitalOcean's API. Raises UnavailableError."""
    return (
        settings().digitalocean_token or read_secret(DigitalOceanSecret, settings().digitalocean_secret).token.strip()
    )


def embeddings_key() -> str:
    """Of the embeddings endpoint, else an empty one."""
    if not settings().embeddings_secret:
        return ""
    return read_secret(EmbeddingsSecret, settings().embeddings_secret).embeddings_api_key.strip()


def rerank_key() -> str:
    """Of the endpoint that reranks, else an empty one. Raises UnavailableError."""
    if not settings().embeddings_secret:
        return ""
    return read_secret(EmbeddingsSecret, settings().embeddings_secret).rerank_api_key.strip()


def embedding_models() -> list[str]:
    """The models that a knowledge base may have, the default first."""
    return [name for name in settings().embedding_models.split(",") if name]


def read_secret[Read: Secret](kind: type[Read], id: str, *, fresh: bool = False) -> Read:
    """Kept for five minutes. `fresh` asks again: the password may have been rotated. Raises UnavailableError."""
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    try:
        secret = secrets().get(id, force_fetch=fresh)
    except GetParameterError as error:
        raise UnavailableError("A secret of the service cannot be read at the moment.") from error
    try:
        return kind.model_validate_json(secret)
    except ValidationError as error:  # which names the fields, and hides what is in them
        raise UnavailableError("A secret of the service has not the documented form.") from error


@cache
def secrets() -> Any:
    """Imported here, since it loads boto3: only where there is a secret to read."""
    from aws_lambda_powertools.utilities.parameters import SecretsProvider
    from botocore.config import Config

    return SecretsProvider(boto_config=Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 2}))
