"""The function that migrates, invoked by a deployment."""

import json
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dev.errors import StartupError
from schema.migrate import FOLDER, read_migrations

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


def migrate(client: "LambdaClient", function: str, contract: bool) -> list[str]:
    """Apply what is pending; without `contract`, what takes something away waits.

    Raises StartupError with what the function says. What it applied until then is complete and stays.
    """
    event = json.dumps({"contract": contract}).encode()
    answer = client.invoke(FunctionName=function, Qualifier="live", Payload=event)
    body: Any = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise StartupError(f"The schema could not be changed: {body.get('errorMessage', body)}")
    return body["applied"]


def contracting(folder: Path = FOLDER) -> list[str]:
    """The last migrations, which take away what code before them may need. They may be applied already."""
    newest_first = reversed(read_migrations(folder))
    return [file.name for file in takewhile(lambda file: "contract" in file.directives, newest_first)]
