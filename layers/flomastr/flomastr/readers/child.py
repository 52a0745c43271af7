"""The process that reads one file, within bounds of memory and time: standard input to JSON on standard output."""

import json
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import asdict

from flomastr.errors import ErrorCode, ServiceError, UnprocessableError
from flomastr.readers.extracted import Extracted, titled, too_large


def main(reader: str, megabytes: int, seconds: int) -> None:
    """Writes what `read` of the module `reader` makes of the input, or code and detail of the reason why not."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with answers:
        os.set_inheritable(answers.fileno(), False)
        answers.write(answer(reader, sys.stdin.buffer.read()))


def answer(reader: str, data: bytes) -> str:
    try:
        return extracted(reader_of(reader), data)
    except ServiceError as error:
        return json.dumps({"code": error.code, "detail": error.detail})


def extracted(read: Callable[[bytes], Extracted], data: bytes) -> str:
    """An Extracted as JSON. Raises UnprocessableError, whatever the reader raises."""
    try:
        return json.dumps(asdict(titled(read(data))))
    except ServiceError:
        raise
    except MemoryError as error:
        raise too_large("The file takes more memory than there is to read it.") from error
    except RecursionError as error:
        raise UnprocessableError("The file is nested too deeply to be read.", ErrorCode.FILE_UNREADABLE) from error
    except Exception as error:
        print(repr(error)[:500], file=sys.stderr)
        detail = "The file is damaged, cut short, or not of the type that it is sent as."
        raise UnprocessableError(detail, ErrorCode.FILE_UNREADABLE) from error


def reader_of(name: str) -> Callable[[bytes], Extracted]:
    """Loads what that reader needs, and nothing else."""
    match name:
        case "pdf":
            from flomastr.readers.pdf import read
        case "docx":
            from flomastr.readers.docx import read
        case "xlsx":
            from flomastr.readers.sheets import read
        case "csv":
            from flomastr.readers.sheets import read_csv as read
        case "pptx":
            from flomastr.readers.pptx import read
        case "epub":
            from flomastr.readers.epub import read
        case "eml":
            from flomastr.readers.eml import read
        case _:
            raise LookupError(name)
    return read


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
