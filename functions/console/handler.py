"""The console: a page for people, its scripts and styles, and what they need to know of this deployment."""

import gzip
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr.http.delivery import Event, path_of
from flomastr.observability import instrumented
from flomastr.settings import settings

FOLDER = Path(__file__).parent
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
ASSETS = {
    path.relative_to(FOLDER / "assets").as_posix(): path.read_bytes()
    for path in sorted(FOLDER.glob("assets/**/*.*"))
    if path.suffix in TYPES
}
# The address of an asset says which state of all of them it belongs to, so that it may be kept for ever.
STATE = sha256(b"".join(sha256(content).digest() for content in ASSETS.values())).hexdigest()[:16]
PAGE = (FOLDER / "index.html").read_text()
KEPT, ASKED_EACH_TIME = "public, max-age=31536000, immutable", "no-cache"
HARDENED = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


@instrumented
def lambda_handler(event: Event, context: LambdaContext) -> dict[str, Any]:
    path = path_of(event)
    if path.startswith("/console/assets/"):
        return asset(event, *path.removeprefix("/console/assets/").split("/", 1))
    return answer(event, page(), "text/html", ASKED_EACH_TIME, {"content-security-policy": content_policy()})


def page() -> bytes:
    """With whom people sign in, and as which application, stands in it: asking for that would be a round trip."""
    issuer, client = escape(settings().oidc_issuer), escape(settings().console_client_id)
    return PAGE.format(state=STATE, issuer=issuer, metadata_url=escape(metadata_url()), client_id=client).encode()


def metadata_url() -> str:
    return settings().oidc_metadata_url or f"{settings().oidc_issuer.rstrip('/')}/.well-known/openid-configuration"


def content_policy() -> str:
    """Nothing inline, nothing from elsewhere but what the issuer says to a sign-in, and large files to their bucket."""
    issuer = urlsplit(metadata_url())
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors 'none'; connect-src 'self' {issuer.scheme}://{issuer.netloc} {settings().uploads_url}/"
    )


def asset(event: Event, state: str, name: str = "") -> dict[str, Any]:
    """One of this state, or of the one that is deployed now if the page that asks is older."""
    if name not in ASSETS:
        return {"statusCode": 404, "headers": HARDENED | {"cache-control": "no-store"}}
    return answer(event, ASSETS[name], TYPES[Path(name).suffix], KEPT if state == STATE else "no-store")


def answer(event: Event, content: bytes, kind: str, kept: str, more: dict[str, str] | None = None) -> dict[str, Any]:
    headers = HARDENED | {"content-type": f"{kind}; charset=utf-8", "cache-control": kept, "vary": "accept-encoding"}
    headers |= more or {}
    if event["requestContext"]["http"]["method"] == "HEAD":
        return {"statusCode": 200, "headers": headers}
    if "gzip" in event["headers"].get("accept-encoding", ""):
        headers, content = headers | {"content-encoding": "gzip"}, compressed(content)
    return {"statusCode": 200, "headers": headers, "body": b64encode(content).decode(), "isBase64Encoded": True}


@cache
def compressed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)
