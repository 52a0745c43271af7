"""What API Gateway does to a path and a body on their way to a function. tests/dev/data has captures of a live one."""

import re
from base64 import b64encode
from typing import Any
from urllib.parse import unquote

TEXT = re.compile(r"text/|application/(json|xml|javascript)\s*(;|$)")
BROKEN = re.compile(r"%25(?![0-9A-Fa-f]{2})")


class PathRefusedError(Exception):
    """API Gateway answers 400 by itself."""


def delivered_path(sent: str) -> str:
    """`sent` is percent-encoded. It is decoded, cut at a question mark that appears by that, and decoded once more."""
    if BROKEN.search(sent):
        raise PathRefusedError
    return unquote(unquote(sent).partition("?")[0])


def delivered_body(body: bytes, content_type: str) -> dict[str, Any]:
    """The part of an event that holds the body: as text if it is called so and is UTF-8, else in base64."""
    if not body:
        return {"isBase64Encoded": False}
    try:
        if TEXT.match(content_type.lower()):
            return {"body": body.decode(), "isBase64Encoded": False}
    except UnicodeDecodeError:
        pass  # called text but is none: it travels like any other bytes
    return {"body": b64encode(body).decode(), "isBase64Encoded": True}
