"""What a prepared model gives for texts, against the pipeline that it was made from."""

import math
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from thinc.model import Model

from burst_ner.errors import SetupError
from burst_ner.recognizer import Recognizer

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

#: (start_char, end_char, label), code points.
Span = tuple[int, int, str]

# Texts that go through each side before the next ones are read.
_GROUP = 16
# Of 15,000 documents 4 differ with tables of 16 bits.
_HALF_MAY_DIFFER = 0.01


def prove(
    nlp: "Language", engine: Any, texts: Iterable[tuple[str, str]], *, starts: bool, half: bool
) -> dict[str, Any]:
    """Compares tokens, norms, sentence starts and entities, the entities as the function would answer them.

    Args:
        texts: each with the name of its place, which is told where the two differ; no text is.
        starts: whether sentences begin at the same tokens, too.
        half: whether a hundredth of the texts may have other entities.

    Returns:
        What a manifest says of it: documents, characters, entities, and how many documents differ.

    Raises:
        SetupError: something differs; the first place.
    """
    documents = characters = entities = differ = 0
    for places, group, docs in _groups(nlp, texts):
        for place, text, doc, ours in zip(places, group, docs, _found(engine, group), strict=True):
            _compare_tokens(place, doc, engine.tokens(text), starts=starts and not half)
            theirs = _spans(doc)
            if theirs != ours and not half:
                only = sorted(set(theirs) ^ set(ours))[0]
                side = "the pipeline" if only in theirs else "the engine"
                raise _differs(place, f"only {side} has {only[2]} at [{only[0]}:{only[1]}]")
            documents += 1
            characters += len(text)
            entities += len(theirs)
            differ += theirs != ours
    if differ > documents * _HALF_MAY_DIFFER:
        raise SetupError(
            f"With 16 bits a number {differ} of {documents} texts have other entities than in the pipeline, so the "
            "model was not kept; build it with f32."
        )
    return {"documents": documents, "characters": characters, "entities": entities, "differ": differ}


def compared(
    nlp: "Language", recognizer: Recognizer, texts: Iterable[tuple[int, str]]
) -> Iterator[tuple[int, list[Span], list[Span]]]:
    """The place of each text, its entities in spaCy, and those that the function would answer."""
    for places, group, docs in _groups(nlp, texts):
        yield from zip(places, map(_spans, docs), _found(recognizer, group), strict=True)


def _spans(doc: "Doc") -> list[Span]:
    return [(e.start_char, e.end_char, e.label_) for e in doc.ents]


def _found(recognizer: Recognizer, texts: list[str]) -> list[list[Span]]:
    results = recognizer.recognize(texts, math.inf)
    return [[(e["start_char"], e["end_char"], e["label"]) for e in entities] for entities in results]


def _groups(nlp: "Language", texts: Iterable[tuple[Any, str]]) -> Iterator[tuple[list[Any], list[str], list["Doc"]]]:
    models = (getattr(component, "model", None) for _, component in nlp.pipeline)
    # spaCy's MishWindowEncoder looks at the texts beside a text, so each goes by itself.
    alone = any(node.name == "mish" for model in models if isinstance(model, Model) for node in model.walk())
    rest = iter(texts)
    while group := list(islice(rest, _GROUP)):
        places, strings = map(list, zip(*group, strict=True))
        with nlp.memory_zone():
            yield places, strings, list(nlp.pipe(strings, batch_size=1 if alone else _GROUP))


def _compare_tokens(place: str, doc: "Doc", ours: list[tuple[int, int, int, int]], *, starts: bool) -> None:
    theirs = [(t.idx, t.idx + len(t), t.norm, int(t.is_sent_start is True)) for t in doc]
    first = next((pair for pair in zip(theirs, ours, strict=False) if pair[0][:2] != pair[1][:2]), None)
    if first or len(theirs) != len(ours):
        at = first[0][0] if first else min(len(theirs), len(ours))
        raise _differs(place, f"they have other tokens at character {at}")
    for (start, *_, norm, begins), (*_, our_norm, our_begins) in zip(theirs, ours, strict=True):
        if norm != our_norm:
            raise _differs(place, f"the token at character {start} has another norm")
        # The first token begins a sentence whatever a component says.
        if starts and begins != our_begins and start > theirs[0][0]:
            raise _differs(place, f"only one of them begins a sentence at character {start}")


def _differs(place: str, what: str) -> SetupError:
    return SetupError(
        f"The engine and spaCy differ in {place}: {what}. The model was not kept; please report it with the name and "
        "version of the pipeline."
    )
