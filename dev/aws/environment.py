"""The environment of a function's process: the folders of its code and its variables."""

import os
from pathlib import Path

from dev.aws.packages import installed
from dev.aws.sqs_poller import queue_url
from dev.aws.template import Function
from dev.paths import ROOT
from dev.private_files import private_file
from dev.services.database import Database
from dev.services.embeddings_server import MODELS
from dev.services.object_storage import Storage
from dev.services.oidc_issuer import ISSUER, JWKS_PATH, METADATA_PATH

APP_SECRET, JOB_SECRET, MIGRATION_SECRET = "local-app", "local-job", "local-migration"
QUEUES = ("EMBED_QUEUE_URL", "INGEST_QUEUE_URL")
ALLOWED = {"WEBHOOKS_TO_LOCALHOST": "yes", "ENCRYPTION_KEY": ""}  # here, and in no deployment


def parameters(url: str, embeddings_url: str = "", origins: str = "") -> dict[str, str]:
    """The template's parameters for a platform that is reached at `url`."""
    return {
        "DatabaseSecretArn": APP_SECRET,
        "JobSecretArn": JOB_SECRET,
        "MigrationSecretArn": MIGRATION_SECRET,
        "SigningSecretArn": "local-signing",
        "OidcIssuer": ISSUER,
        "OidcJwksUrl": f"{url}{JWKS_PATH}",
        "OidcMetadataUrl": f"{url}{METADATA_PATH}",
        "ConsoleClientId": "console",
        "EmbeddingModels": ",".join(MODELS),
        "EmbeddingsUrl": embeddings_url,
        "CorsOrigins": origins,
    }


def own_code(function: Function) -> list[Path]:
    """The folders whose change means a new process: packages do not change under us."""
    return [function.folder, *(layer for layer in function.layers if not _requirements(layer))]


def search_path(function: Function, data: Path) -> list[Path]:
    """Where the process imports from, as in Lambda; packages are installed when they are not."""
    layers = [
        installed(listed, data, layer.name) if (listed := _requirements(layer)) else layer
        for layer in reversed(function.layers)  # a later layer hides an earlier one
    ]
    runtime = installed(ROOT / "dev" / "runtime.txt", data, "runtime")
    return [function.folder, *layers, runtime]


def variables(function: Function, runtime_api: str, data: Path, database: Database, storage: Storage) -> dict[str, str]:
    """Lambda's own variables and the template's."""
    lambdas = {
        "PATH": os.defpath,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONPATH": os.pathsep.join(map(str, search_path(function, data))),
        "PYTHONDONTWRITEBYTECODE": "1",  # as in Lambda, where code is read-only
        "AWS_ACCESS_KEY_ID": storage.key,
        "AWS_SECRET_ACCESS_KEY": storage.key,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": function.name,
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "LAMBDA_TASK_ROOT": str(function.folder),
        "_HANDLER": function.handler,
    }
    return lambdas | declared(function, data, database, storage)


def declared(function: Function, data: Path, database: Database, storage: Storage) -> dict[str, str]:
    """The template's variables; what would come from AWS is overridden here."""
    overrides = ALLOWED | {
        "DATABASE_URL": _database_url(function, database),
        "RECORDING_URL": database.app_url,
        "SIGNING_KEY": private_file(data / "signing.key"),
        "LOCAL_ENCRYPTION_KEY": private_file(data / "encryption.key"),
        "ARCHIVE_BUCKET": storage.bucket,
        "UPLOADS_BUCKET": storage.uploads,
        "UPLOADS_URL": f"{storage.endpoint}/{storage.uploads}",
        "S3_ENDPOINT": storage.endpoint,
        "SQS_ENDPOINT": storage.endpoint,
    }
    overrides |= {name: queue_url(storage, function.environment.get(name, "")) for name in QUEUES}
    return {name: overrides.get(name, value) for name, value in function.environment.items()}


def _database_url(function: Function, database: Database) -> str:
    """The URL that the function's secret has in a deployment."""
    urls = {APP_SECRET: database.app_url, JOB_SECRET: database.job_url, MIGRATION_SECRET: database.admin_url}
    return urls.get(function.environment.get("DATABASE_SECRET", ""), "")


def _requirements(layer: Path) -> Path | None:
    listed = layer / "requirements.txt"
    return listed if listed.exists() else None
