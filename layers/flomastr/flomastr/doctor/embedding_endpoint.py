"""The embeddings endpoint: whether it gives a vector, by the model of new knowledge bases."""

import time

from flomastr.doctor.verdicts import SkippedError, Verdict, fail, ok, warn
from flomastr.embeddings import client
from flomastr.embeddings.client import EndpointBusyError, EndpointError
from flomastr.settings import embedding_models, settings

SECONDS = 5.0


def embeddings() -> Verdict:
    """Asks for one vector, which costs some tokens. Raises SkippedError."""
    models = embedding_models()
    if not settings().embeddings_url or not models:
        raise SkippedError("EMBEDDINGS_URL or EMBEDDING_MODELS names none")
    began = time.monotonic()
    try:
        answer = client.embed(["A question of the doctor"], models[0], SECONDS)
    except EndpointBusyError as error:
        return warn(str(error), "Searches by words go on. Look at the endpoint's state and at its limits.")
    except EndpointError as error:
        return fail(str(error), "Correct EmbeddingsUrl, EmbeddingModels or the key in EmbeddingsSecretArn.")
    milliseconds = (time.monotonic() - began) * 1000
    return ok(f"{models[0]} gave a vector of {client.DIMENSIONS} in {milliseconds:.0f} ms, for {answer.tokens} tokens")
