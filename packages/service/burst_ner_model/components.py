"""Which components of a pipeline decide what its entities are."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from burst_ner.errors import SetupError
from burst_ner.model import Pipeline

from .unsupported import Unsupported

if TYPE_CHECKING:
    from spacy.language import Language

#: Who says where sentences begin, in the numbering of the engine: no one, or a component made by one of these.
SENTENCES = ("none", "parser", "senter", "sentencizer")

_NER = ("ner", "beam_ner")
_SPLITTERS = {"parser": "parser", "beam_parser": "parser", "senter": "senter", "sentencizer": "sentencizer"}
_BEAMS = ("beam_ner", "beam_parser")
_RULERS = ("entity_ruler", "future_entity_ruler", "span_ruler")
# Those of spaCy's own that change nothing that entities depend on, but for what the others listen to.
_HARMLESS = {
    *("tok2vec", "transformer", "curated_transformer", "tagger", "morphologizer", "attribute_ruler", "entity_linker"),
    *("lemmatizer", "trainable_lemmatizer", "textcat", "textcat_multilabel", "span_finder"),
    *("spancat", "spancat_singlelabel"),
}
# What an attribute_ruler may write before `ner` reads.
_NOT_READ = {"TAG", "POS", "MORPH", "LEMMA", "DEP"}


@dataclass(frozen=True)
class Sources:
    """The components that a model file is made of.

    Attributes:
        ner: the name of the component that finds the entities.
        splitter: the name of the component that says where sentences begin, or None.
        sentences: one of SENTENCES, by the kind of the splitter.
        needed: the names of all components that entities depend on.
    """

    ner: str
    splitter: str | None
    sentences: str
    needed: tuple[str, ...]


def entity_setters(pipeline: Pipeline) -> list[str]:
    """The components that set entities, or may: of those that are not spaCy's own one cannot know.

    Raises:
        SetupError: there are none, or they are switched off.
    """
    setters = [name for name in pipeline.components if _sets_entities(pipeline, name)]
    if found := [name for name in setters if name not in pipeline.disabled]:
        return found
    if setters:
        raise SetupError(
            f"The '{setters[0]}' of the pipeline {pipeline.name} is switched off, so that it finds no entities; switch "
            f"it on with nlp.enable_pipe('{setters[0]}') and save the pipeline again with nlp.to_disk."
        )
    names = ", ".join(f"{name} ({pipeline.factory(name)})" for name in pipeline.components) or "none"
    raise SetupError(
        f"The pipeline {pipeline.name} in {pipeline.folder} has no component that sets entities (it has: {names}); "
        "give a pipeline that recognises named entities."
    )


def choose(pipeline: Pipeline, *, sentences: bool) -> Sources:
    """What the engine needs of a pipeline, as its configuration says.

    Args:
        sentences: whether no entity is to cross a sentence's beginning, as in the full pipeline.

    Raises:
        SetupError: as `entity_setters`.
        Unsupported: the entities are not those of one `ner` behind at most one component that splits sentences.
    """
    ner, *others = sorted(entity_setters(pipeline), key=lambda name: pipeline.factory(name) not in _NER)
    if pipeline.factory(ner) not in _NER:
        raise Unsupported(f"its entities come from '{ner}' (factory '{pipeline.factory(ner)}'), and not from an 'ner'")
    for name in others:
        factory = pipeline.factory(name)
        says = "sets entities, too" if factory in (*_NER, *_RULERS) else "may change entities"
        raise Unsupported(f"its component '{name}' (factory '{factory}') {says}")
    enabled = [name for name in pipeline.components if name not in pipeline.disabled]
    before = enabled[: enabled.index(ner)]
    splitters = [name for name in before if pipeline.factory(name) in _SPLITTERS] if sentences else []
    if len(splitters) > 1:
        raise Unsupported(f"several of its components say where sentences begin ({', '.join(splitters)})")
    for name in (ner, *splitters):
        if pipeline.factory(name) in _BEAMS:
            raise Unsupported(f"its '{name}' searches with a beam")
    upstream = [name for name in before if pipeline.factory(name) in ("tok2vec", "attribute_ruler")]
    kind = _SPLITTERS[pipeline.factory(splitters[0])] if splitters else "none"
    return Sources(ner, splitters[0] if splitters else None, kind, (*upstream, *splitters, ner))


def check(nlp: "Language", pipeline: Pipeline, sources: Sources) -> None:
    """Looks at the components themselves, as they were loaded.

    Raises:
        SetupError: one of them was never trained.
        Unsupported: one is of another class than spaCy's own, or does what the engine does not know.
    """
    from spacy.language import Language
    from spacy.pipeline import AttributeRuler, DependencyParser, EntityRecognizer, SentenceRecognizer, Sentencizer

    if type(nlp).__call__ is not Language.__call__ or type(nlp).make_doc is not Language.make_doc:
        raise Unsupported("its language has code of its own for texts")
    if added := set(nlp.component_names) - set(pipeline.components):
        raise Unsupported(f"code of its own adds components when it is loaded ({', '.join(sorted(added))})")
    classes = {"parser": DependencyParser, "senter": SentenceRecognizer, "sentencizer": Sentencizer}
    expected: list[tuple[str | None, type | None]] = [(sources.ner, EntityRecognizer)]
    expected.append((sources.splitter, classes.get(sources.sentences)))
    for name, kind in expected:
        if not name or not kind:
            continue
        component: Any = nlp.get_pipe(name)
        if type(component) is not kind:
            raise Unsupported(f"its '{name}' is not spaCy's own but {type(component).__module__}")
        if getattr(component, "cfg", {}).get("beam_width", 1) != 1:
            raise Unsupported(f"its '{name}' searches with a beam")
        _refuse_untrained(component, name)
    if not nlp.get_pipe(sources.ner).labels:
        raise SetupError(f"The '{sources.ner}' of the pipeline knows no label, so it finds nothing; train it first.")
    for name in nlp.pipe_names[: nlp.pipe_names.index(sources.ner)]:
        component = nlp.get_pipe(name)
        if isinstance(component, AttributeRuler):
            written = {key for pattern in component.patterns for key in pattern["attrs"]} - _NOT_READ
            if written:
                raise Unsupported(f"its '{name}' writes {', '.join(sorted(map(str, written)))} before '{sources.ner}'")


def _refuse_untrained(component: Any, name: str) -> None:
    for node in component.model.walk() if hasattr(component, "model") else []:
        if not all(node.has_param(parameter) for parameter in node.param_names):
            raise SetupError(f"The '{name}' of the pipeline was never trained (it has no weights); train it first.")


def _sets_entities(pipeline: Pipeline, name: str) -> bool:
    factory = pipeline.factory(name)
    if factory == "span_ruler":
        return bool(pipeline.setting(name, "annotate_ents"))
    return factory not in _HARMLESS and factory not in _SPLITTERS
