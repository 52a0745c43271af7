"""The embeddings endpoint under the platform: OpenAI's API over a small model in a package, run as our child.

Alike texts are near each other, though not as well as a large model has it, and nothing is sent to another machine.
"""

import math
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY, create_server, socket
from typing import Annotated, Any

import uvicorn
from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dev.child_process import die_with_parent
from dev.errors import StartupError
from dev.paths import ROOT

HOST, BASE = "127.0.0.1", "/v1"
MODELS = {"wordllama-256": 256, "wordllama-64": 64}  # of the same vectors, the second has the first 64 numbers

# ---------------------------------------------------------------- who starts it


@dataclass(frozen=True)
class Embeddings:
    """A server on its way: it can be asked at once, and answers when its model is loaded."""

    port: int
    log: Path
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        """As OpenAI's would be https://api.openai.com/v1."""
        return f"http://{HOST}:{self.port}{BASE}"

    def wait(self) -> None:
        """Return when its model is loaded."""
        assert self.process.stdout
        if not self.process.stdout.readline():
            raise StartupError(f"The embeddings model did not start: {self.log} ends with its reason.")


@contextmanager
def embeddings(data: Path) -> Generator[Embeddings]:
    """Run the server until the block ends. It keeps nothing, so each platform may have its own."""
    data.mkdir(parents=True, exist_ok=True)
    log = data / "embeddings.log"
    with create_server((HOST, 0)) as listener:
        listener.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        port, process = listener.getsockname()[1], _started(listener, log)
    with process:
        try:
            yield Embeddings(port, log, process)
        finally:
            process.kill()


def _started(listener: socket, log: Path) -> subprocess.Popen[str]:
    descriptor = listener.fileno()
    with log.open("a") as output:
        return subprocess.Popen(
            [*die_with_parent("KILL"), sys.executable, "-m", "dev.services.embeddings_server", str(descriptor)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            pass_fds=[descriptor],
            start_new_session=True,  # Ctrl-C reaches us alone; we stop the server when it is free
        )


# ---------------------------------------------------------------- the server


def _listed(given: object) -> object:
    return [given] if isinstance(given, str) else given


class Asked(BaseModel):
    """What a request says; its texts as a list, also where it is one."""

    model: str
    input: Annotated[
        list[Annotated[str, Field(min_length=1)]], Field(min_length=1, max_length=2048), BeforeValidator(_listed)
    ]
    dimensions: Annotated[int, Field(ge=1, le=3072)] | None = None


class Model:
    """The vector of a text is the mean of its tokens', with length 1."""

    def __init__(self) -> None:
        # Imported here, as only the server should take the time; loaded from the package, which has a model.
        from wordllama import WordLlama

        package = find_spec("wordllama")
        assert package and package.origin
        loaded: Any = WordLlama.load(cache_dir=Path(package.origin).parent, disable_download=True)
        self._vectors: Any = loaded.embedding
        self._tokenizer: Any = loaded.tokenizer
        self._tokenizer.no_padding()  # a long text would make all beside it as long

    def tokens(self, texts: list[str]) -> list[list[int]]:
        return [found.ids for found in self._tokenizer.encode_batch(texts, add_special_tokens=False)]

    def vector(self, tokens: list[int], size: int, dimensions: int) -> list[float]:
        """With zeros after it until it has so many dimensions, which changes no angle."""
        mean = self._vectors[tokens].mean(axis=0)[: min(size, dimensions)]
        return (mean / math.sqrt(mean @ mean)).tolist() + [0.0] * (dimensions - len(mean))


def application(model: Model) -> Starlette:
    async def embed(request: Request) -> Response:
        try:
            asked = Asked.model_validate_json(await request.body())
        except ValidationError as invalid:
            return _refusal(400, _reason(invalid), "invalid_input")
        if asked.model not in MODELS:
            return _refusal(404, f"The model `{asked.model}` does not exist.", "model_not_found")
        return Response(to_json(_answer(model, asked)), media_type="application/json")

    return Starlette(routes=[Route(f"{BASE}/embeddings", embed, methods=["POST"])])


def _answer(model: Model, asked: Asked) -> dict[str, Any]:
    size = MODELS[asked.model]
    texts = model.tokens(asked.input)
    count = sum(map(len, texts))
    return {
        "object": "list",
        "model": asked.model,
        "data": [
            {"object": "embedding", "index": index, "embedding": model.vector(tokens, size, asked.dimensions or size)}
            for index, tokens in enumerate(texts)
        ],
        "usage": {"prompt_tokens": count, "total_tokens": count},
    }


def _reason(invalid: ValidationError) -> str:
    first = invalid.errors()[0]
    location = ".".join(map(str, first["loc"]))  # none, where it is no JSON
    return f"{location}: {first['msg']}" if location else first["msg"]


def _refusal(status: int, message: str, code: str) -> Response:
    return JSONResponse({"error": {"message": message, "type": "invalid_request_error", "code": code}}, status)


def main(descriptor: int) -> None:
    """Serve until killed, once it is said that the model is loaded."""
    config = uvicorn.Config(application(Model()), log_config=None, access_log=False, server_header=False)
    print("ready", flush=True)
    uvicorn.Server(config).run([socket(fileno=descriptor)])


if __name__ == "__main__":
    main(int(sys.argv[1]))
