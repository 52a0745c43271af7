"""EML: who wrote what to whom. Of attachments only the names are read."""

from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from flomastr.errors import ErrorCode, UnprocessableError
from flomastr.readers.extracted import Budget, Extracted, Part, written
from flomastr.readers.texts import markdown

HEADERS = ("Subject", "From", "To", "Cc", "Date")


def read(data: bytes) -> Extracted:
    """Raises UnprocessableError."""
    mail = message_from_bytes(data, policy=default)
    if not any(name in mail for name in ("From", "Subject", "Date")):
        raise UnprocessableError("The file is no mail: it has no header.", ErrorCode.FILE_UNREADABLE)
    text = "\n\n".join([*headers(mail), body(mail), *attachments(mail)])
    return written(Extracted([Part(Budget().take(text))], "markdown", title=str(mail["Subject"] or "") or None))


def headers(mail: EmailMessage) -> Iterator[str]:
    for name in HEADERS:
        if name in mail:
            yield f"{name}: {mail[name]}"


def body(mail: EmailMessage) -> str:
    """As its sender wrote it, else as its page says it."""
    found = mail.get_body(preferencelist=("plain", "html"))
    if found is None:
        return ""
    content: str = found.get_content()
    return markdown(content) if found.get_content_type() == "text/html" else content


def attachments(mail: EmailMessage) -> Iterator[str]:
    for part in mail.iter_attachments():
        yield f"Attachment: {part.get_filename() or part.get_content_type()}"
