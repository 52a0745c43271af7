"""The file that a request sends: its body, or the one file of a form."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from flomastr.errors import BadRequestError, PayloadTooLargeError, UnprocessableError
from flomastr.readers.kinds import READERS, SentFile

MAX_FILE = 4_500_000  # bytes: in base64, as API Gateway hands on what is no text, it stays below Lambda's 6 MB
MAX_PARTS = 10  # of a form
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


@dataclass
class Form:
    """The parts of a form, as its parser finds them: the headers of each, and its bytes."""

    parts: list[tuple[dict[str, bytes], bytearray]] = field(default_factory=list[tuple[dict[str, bytes], bytearray]])
    name: bytes = b""
    value: bytes = b""
    is_whole: bool = False

    def begin(self) -> None:
        if len(self.parts) == MAX_PARTS:
            raise FormParserError(f"It has more than {MAX_PARTS} parts")
        self.parts.append(({}, bytearray()))

    def take_name(self, data: bytes, start: int, end: int) -> None:
        self.name += data[start:end]

    def take_value(self, data: bytes, start: int, end: int) -> None:
        self.value += data[start:end]

    def end_header(self) -> None:
        self.parts[-1][0][self.name.decode("latin-1").lower()] = self.value
        self.name = self.value = b""

    def take_data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1][1].extend(data[start:end])

    def end(self) -> None:
        self.is_whole = True


async def sent_file(request: Request) -> SentFile:
    """Raises ServiceError for a form without one, and for what is too large."""
    media_type, name = request.headers.get("content-type", ""), request.query_params.get("name", "")
    file = SentFile(await request.body(), media_type, name)
    if media_type.lower().startswith(FORM):
        file = file_of_form(file)
    if len(file.data) > MAX_FILE:
        raise PayloadTooLargeError(f"The file is larger than {MAX_FILE:,} bytes.")
    return file


def file_of_form(sent: SentFile) -> SentFile:
    """Raises ServiceError."""
    for headers, data in parsed(sent):
        _, options = parse_options_header(headers.get("content-disposition"))
        if options.get(b"name") == b"file":
            name = options.get(b"filename", b"").decode(errors="replace")
            return SentFile(bytes(data), headers.get("content-type", b"").decode("latin-1"), name or sent.name)
    raise UnprocessableError("body.file: Field required")


def parsed(sent: SentFile) -> list[tuple[dict[str, bytes], bytearray]]:
    """Its parts. Raises BadRequestError."""
    form = Form()
    try:
        parser = MultipartParser(
            parse_options_header(sent.media_type)[1].get(b"boundary", b""),
            {
                "on_part_begin": form.begin,
                "on_header_field": form.take_name,
                "on_header_value": form.take_value,
                "on_header_end": form.end_header,
                "on_part_data": form.take_data,
                "on_end": form.end,
            },
        )
        parser.write(sent.data)
    except FormParserError as error:
        raise BadRequestError(f"The body is no form: {error}.") from error
    if not form.is_whole:
        raise BadRequestError("The body is no form, or one that is cut short.")
    return form.parts


SentFileBody = Annotated[SentFile, Depends(sent_file)]
