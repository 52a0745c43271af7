"""What is a ZIP within: looked over before a reader unpacks it."""

from io import BytesIO
from zipfile import ZipFile

from flomastr.errors import ErrorCode, UnprocessableError
from flomastr.readers.extracted import too_large

MAX_ENTRIES = 10_000
MAX_UNPACKED = 150_000_000  # bytes
OLE = bytes.fromhex("d0cf11e0a1b11ae1")  # how encrypted and old files of Office begin
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


def opened(data: bytes) -> ZipFile:
    """An archive that unpacks to no more than there is memory for. Raises UnprocessableError, and BadZipFile."""
    refuse_old(data)
    archive = ZipFile(BytesIO(data))
    entries = archive.infolist()
    if any(entry.flag_bits & 1 for entry in entries):
        raise encrypted()
    if len(entries) > MAX_ENTRIES:
        raise too_large(f"The file holds {len(entries):,} files, and may hold {MAX_ENTRIES:,}.")
    if (size := sum(entry.file_size for entry in entries)) > MAX_UNPACKED:
        raise too_large(f"The file unpacks to {size:,} bytes, and may unpack to {MAX_UNPACKED:,}.")
    return archive


def refuse_old(data: bytes) -> None:
    if not data.startswith(OLE):
        return
    if ENCRYPTED in data:
        raise encrypted()
    detail = "The file is of an old Office (.doc, .xls, .ppt), which is not read: save it as .docx, .xlsx or .pptx."
    raise UnprocessableError(detail, ErrorCode.FILE_TYPE_UNKNOWN)


def encrypted() -> UnprocessableError:
    """The error of a file that wants a password."""
    return UnprocessableError(
        "The file is encrypted. Save it without a password, and send it again.", ErrorCode.FILE_ENCRYPTED
    )
