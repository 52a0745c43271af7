"""The file that a request sends: its body, or the one file of a form."""

from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from flomastr.errors import BadRequestError, PayloadTooLargeError, UnprocessableError
from flomastr.readers.kinds import READERS, SentFile

MAX_FILE = 4_500_000  # bytes: in base64, as API Gateway hands on what is no text, it stays below Lambda's 6 MB
FORM = "multipart/form-data"
BINARY = {"type": "string", "format": "binary"}
FILE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": f"The file, at most {MAX_FILE:,} bytes, under its own Content-Type: {', '.join(READERS)}. Under "
        "application/octet-stream its name says its type.",
        "content": {
            "application/octet-stream": {"schema": BINARY},
            FORM: {"schema": {"type": "object", "properties": {"file": BINARY}, "required": ["file"]}},
        },
    }
}


async def sent_file(request: Request) -> SentFile:
    """Raises ServiceError for a form without one, and for what is too large."""
    media_type = request.headers.get("content-type", "")
    if media_type.lower().startswith(FORM):
        file = await file_of_form(request)
    else:
        file = SentFile(await request.body(), media_type, name_of(request))
    if len(file.data) > MAX_FILE:
        raise PayloadTooLargeError(f"The file is larger than {MAX_FILE:,} bytes.")
    return file


def name_of(request: Request) -> str:
    return request.query_params.get("name", "")


async def file_of_form(request: Request) -> SentFile:
    """Raises ServiceError."""
    try:
        async with request.form(max_files=1, max_fields=10) as form:
            file = form.get("file")
            if isinstance(file, UploadFile):
                return SentFile(await file.read(), file.content_type or "", file.filename or name_of(request))
    except HTTPException as error:
        raise BadRequestError(f"The body is no form of one file: {error.detail}") from error
    raise UnprocessableError("body.file: Field required")


SentFileBody = Annotated[SentFile, Depends(sent_file)]
