"""Named entities of spaCy's models, without spaCy.

    from burst_ner import load

    ner = load("model")  # a folder that `python -m burst_ner_model build PIPELINE model` made
    ner(["Ada Lovelace lived in London."])

The Lambda function is made of the same parts (handler.py); none of what `load` needs beyond them is imported there.
"""

__all__ = ["Entity", "Ner", "SetupError", "load"]

TYPE_CHECKING = False  # for type checkers True
if TYPE_CHECKING:
    from .errors import SetupError
    from .ner import Entity, Ner, load
else:

    def __getattr__(name):
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import ner

        return getattr(ner, name)
