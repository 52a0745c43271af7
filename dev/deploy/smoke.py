"""Whether what was deployed is ready, asked as anybody may ask."""

import time
import urllib.request
from urllib.error import HTTPError, URLError

from dev.errors import StartupError

PATH = "/routes/health/ready"
ATTEMPTS, PAUSE = 6, 5.0  # a new API answers after some seconds


def smoke(api: str) -> None:
    """Raises StartupError with the last answer."""
    answer = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE)
        answer = ask(api + PATH)
        if not answer:
            return
    raise StartupError(f"{api}{PATH} is not ready: {answer}")


def ask(url: str) -> str:
    """What is wrong, or nothing."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            answer.read()
            return ""
    except HTTPError as error:
        return f"{error.code} {error.read(500).decode(errors='replace')}"
    except (URLError, TimeoutError) as error:
        return str(error)
