"""API keys of n8n, encrypted where they are kept: by KMS, or by a key of the local platform.

What was encrypted for one instance is of no use for another: tenant and name are authenticated with it.
"""

import os
from functools import cache
from hashlib import sha256
from typing import Any, cast
from uuid import UUID

from flomastr.errors import UnavailableError
from flomastr.settings import settings

NONCE_BYTES = 12
KEY_UNREADABLE = "The stored key cannot be decrypted: give it anew."


class KeyUnreadableError(Exception):
    """What is kept cannot be decrypted: by a key that is gone, or it is another instance's."""


def encrypted(api_key: str, tenant_id: UUID, instance: str) -> bytes:
    """Raises UnavailableError."""
    if not settings().encryption_key:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + local_cipher().encrypt(nonce, api_key.encode(), associated(tenant_id, instance))
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = kms().encrypt(
            KeyId=settings().encryption_key, Plaintext=api_key.encode(), EncryptionContext=context(tenant_id, instance)
        )
    except (BotoCoreError, ClientError) as error:
        raise UnavailableError("The key cannot be encrypted at the moment.") from error
    return answer["CiphertextBlob"]


def decrypted(kept: bytes, tenant_id: UUID, instance: str) -> str:
    """Raises KeyUnreadableError, UnavailableError."""
    if not settings().encryption_key:
        return decrypted_locally(kept, tenant_id, instance)
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = kms().decrypt(
            KeyId=settings().encryption_key, CiphertextBlob=kept, EncryptionContext=context(tenant_id, instance)
        )
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in ("InvalidCiphertextException", "IncorrectKeyException"):
            raise KeyUnreadableError from error
        raise UnavailableError("The key cannot be decrypted at the moment.") from error
    except BotoCoreError as error:
        raise UnavailableError("The key cannot be decrypted at the moment.") from error
    return answer["Plaintext"].decode()


def decrypted_locally(kept: bytes, tenant_id: UUID, instance: str) -> str:
    from cryptography.exceptions import InvalidTag

    try:
        return local_cipher().decrypt(kept[:NONCE_BYTES], kept[NONCE_BYTES:], associated(tenant_id, instance)).decode()
    except (InvalidTag, ValueError) as error:
        raise KeyUnreadableError from error


def context(tenant_id: UUID, instance: str) -> dict[str, str]:
    return {"tenant": str(tenant_id), "n8n_instance": instance}


def associated(tenant_id: UUID, instance: str) -> bytes:
    return f"{tenant_id}/{instance}".encode()


def local_cipher() -> Any:
    """Raises UnavailableError."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if not settings().local_encryption_key:
        raise UnavailableError("The service has no key to encrypt with: its operators set ENCRYPTION_KEY.")
    return AESGCM(sha256(settings().local_encryption_key.encode()).digest())


@cache
def kms() -> Any:
    """Imported here, since it loads boto3."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})
    return cast(Any, boto3).client("kms", config=config)
