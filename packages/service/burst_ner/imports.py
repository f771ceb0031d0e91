"""How this service imports spaCy: with one thread for numpy, and without spaCy's command line."""

import importlib.util
import os
import sys
import types

from .errors import SetupError

# `spacy/__init__.py` takes `info` from its command line and so imports typer, weasel, requests and some 350 further
# modules. Nothing but the commands uses them.
_COMMAND_LINE = ("spacy.cli", "spacy.cli.info")


def require_spacy(model: str | os.PathLike[str]) -> None:
    """Raises SetupError, a sentence that names the model, where spaCy is not installed."""
    if not importlib.util.find_spec("spacy"):
        raise SetupError(
            f"{model} is run by spaCy, which is not here; build the zip with --with-spacy, or give a prepared model "
            "that runs on the engine."
        )


def import_spacy() -> types.ModuleType:
    """Imports spaCy as a function needs it, unless the process has imported it already.

    The stand-ins for the command line leave `sys.modules` afterwards: who wants `spacy.cli` still gets the real one.
    """
    # Lambda gives a share of a CPU: more threads of a linear algebra library only wait for each other. Read by numpy
    # at its import.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if "spacy" in sys.modules:
        return sys.modules["spacy"]
    package, module = (types.ModuleType(name) for name in _COMMAND_LINE)
    package.__path__ = []  # makes it a package
    module.info = None
    sys.modules |= dict(zip(_COMMAND_LINE, (package, module), strict=True))
    try:
        import spacy
    finally:
        for name in _COMMAND_LINE:
            del sys.modules[name]
    return spacy
