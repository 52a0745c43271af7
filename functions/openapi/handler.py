"""The description of the collection: the document for programs, and a page that shows it to people."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr.errors import ErrorCode
from flomastr.http.delivery import path_of
from flomastr.observability import instrumented

NOSNIFF = {"x-content-type-options": "nosniff"}
FOLDER = Path(__file__).parent
DOCUMENT = (FOLDER / "openapi.json").read_text()
PAGE = (FOLDER / "docs.html").read_text()


def allowed(tag: str) -> str:
    """The page's own script or style, and no other, as Content-Security-Policy names it."""
    (inline,) = re.findall(f"<{tag}>(.*?)</{tag}>", PAGE, re.DOTALL)
    return f"'sha256-{b64encode(sha256(inline.encode()).digest()).decode()}'"


SERVED: dict[str, tuple[str, dict[str, str]]] = {
    "/routes/openapi.json": (DOCUMENT, {"content-type": "application/json", "access-control-allow-origin": "*"}),
    "/routes/docs": (
        PAGE,
        {
            "content-type": "text/html; charset=utf-8",
            "content-security-policy": f"default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
            f"frame-ancestors 'none'; script-src {allowed('script')}; style-src {allowed('style')}",
        },
    ),
}


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    method = event["requestContext"]["http"]["method"]
    if method not in ("GET", "HEAD"):
        return not_allowed(event["requestContext"]["requestId"])
    if (path := path_of(event)) not in SERVED:  # which CodeDeploy's hook asks for
        return {"statusCode": 404, "headers": NOSNIFF | {"cache-control": "no-store"}}
    body, headers = SERVED[path]
    headers = headers | NOSNIFF | {"cache-control": "max-age=300"}
    return {"statusCode": 200, "headers": headers, "body": "" if method == "HEAD" else body}


def not_allowed(request_id: str) -> dict[str, Any]:
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": "Method Not Allowed",
        "status": 405,
        "detail": "This can only be read: use GET.",
        "code": ErrorCode.METHOD_NOT_ALLOWED,
        "request_id": request_id,
        "errors": [],
    }
    headers = {"content-type": "application/problem+json", "allow": "GET, HEAD", "cache-control": "no-store"}
    return {"statusCode": 405, "headers": headers | NOSNIFF, "body": json.dumps(problem)}
