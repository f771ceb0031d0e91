"""Opens a model: by the engine, or by spaCy where a model needs it."""

import os

from .errors import SetupError
from .prepared import MODEL, PIPELINE, PreparedModel, is_prepared, open_prepared
from .recognizer import Recognizer

TYPE_CHECKING = False  # for type checkers True; importing typing for it would take as long as all else here
if TYPE_CHECKING:
    from .model import Pipeline


def load(folder: str | os.PathLike[str]) -> "tuple[Recognizer, PreparedModel | Pipeline]":
    """Opens a prepared model, or the folder of a plain spaCy pipeline, which takes seconds.

    Returns:
        Who finds its entities, and what has its name, version and digest.

    Raises:
        SetupError: one sentence that says what is wrong with the folder, and what to do.
    """
    if not os.path.isdir(folder):
        raise SetupError(f"There is no folder {folder}; give that of a prepared model, or of a spaCy pipeline.")
    prepared = open_prepared(folder) if is_prepared(folder) else None
    # What follows is imported where it is used: a cold start on the engine does not pay for spaCy.
    if prepared and prepared.on_engine:
        from .engine import Engine

        return Engine(os.path.join(folder, MODEL)), prepared

    from .imports import require_spacy

    require_spacy(folder)
    from .plain import Plain

    if prepared:
        return Plain(os.path.join(folder, PIPELINE)), prepared

    from pathlib import Path

    from .model import open_pipeline

    pipeline = open_pipeline(Path(folder))
    return Plain(pipeline.folder), pipeline
