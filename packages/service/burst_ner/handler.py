"""The entry point: `python -m awslambdaric burst_ner.handler.handler`.

The model is opened while this module is imported, as Lambda expects of an initialisation. When that fails, one line on
stderr says why, and the exception leaves the module: the runtime then reports it to the Runtime API
(`/runtime/init/error`, error type `SetupError`) and ends the process with status 1, so that Lambda starts a new one
and the platform's log has the reason. Ending the process here instead would leave Lambda with "exit status 1" alone.
"""

import os
import sys
import time
from collections.abc import Mapping

from .environment import Environment
from .errors import SetupError
from .opening import load
from .origin import Origin
from .prepared import PreparedModel
from .service import Service


def initialise(env: Mapping[str, str]) -> Service:
    """Opens the model that SPACY_MODEL_PATH names and makes the service.

    Raises:
        SetupError: one sentence that names the variable that is wrong.
    """
    started = time.perf_counter()
    origin = Origin(env.get("ORIGIN_SECRET_SHA256", ""))
    folder = env.get("SPACY_MODEL_PATH")
    if not folder:
        raise SetupError(
            "SPACY_MODEL_PATH is not set; set it to the folder of a prepared model, or of a spaCy pipeline."
        )
    try:
        recognizer, source = load(folder)
    except SetupError as error:
        raise SetupError(f"SPACY_MODEL_PATH: {error}") from error
    if not isinstance(source, PreparedModel):
        print(
            f"burst-ner: warning: SPACY_MODEL_PATH: {folder} is a plain spaCy pipeline, which starts and works slower "
            "than a prepared model; make one of it with: python -m burst_ner_model build PIPELINE OUT",
            file=sys.stderr,
            flush=True,
        )
    loaded = time.perf_counter()
    return Service(
        recognizer,
        Environment(env.get("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")),
        model={"name": source.name, "version": source.version, "digest": source.digest()},
        origin=origin,
        init_ms=(time.perf_counter() - started) * 1000,
        load_ms=(loaded - started) * 1000,
        metrics=env.get("METRICS") != "off",
    )


try:
    handler = initialise(os.environ)
except SetupError as error:
    print(f"burst-ner: {error}", file=sys.stderr, flush=True)
    raise
