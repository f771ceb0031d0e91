"""spaCy's Tokenizer and the attributes of its words, as tables of the engine (engine/format.h)."""

import re
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from . import characters
from .model_file import Section
from .patterns import Compiler, dispatch
from .unsupported import Unsupported

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokenizer import Tokenizer
    from spacy.vocab import Vocab

#: The five patterns in the engine's order: spaCy's attribute, and the method of re.Pattern that it holds.
_PATTERNS = {
    "prefix_search": "search",
    "suffix_search": "search",
    "infix_finditer": "finditer",
    "token_match": "match",
    "url_match": "match",
}


def tables(nlp: "Language") -> tuple[dict[int, bytes], dict[str, int]]:
    """The sections of a pipeline's tokenizer, and the numbers of the sets that struct Info names.

    Raises:
        Unsupported: the tokenizer is of another class, or does what the engine has no way to say.
    """
    from spacy.tokenizer import Tokenizer

    if type(nlp.tokenizer) is not Tokenizer:
        kind = f"{type(nlp.tokenizer).__module__}.{type(nlp.tokenizer).__name__}"
        raise Unsupported(f"its tokenizer is not spaCy's own but {kind}")
    compiler = Compiler()
    sections = _patterns(nlp.tokenizer, compiler)
    sets = {name: compiler.sets.number(ranges) for name, ranges in characters.properties().items()}
    sections |= _sets(compiler.sets.all) | _lower() | _rules(nlp.tokenizer) | _special_cases(nlp.tokenizer)
    return sections | _symbols() | _norms(nlp.vocab), sets


def _patterns(tokenizer: "Tokenizer", compiler: Compiler) -> dict[int, bytes]:
    alternatives: list[tuple[int, ...]] = []
    code: list[int] = []
    pattern_first, numbers, numbers_first = [0], [], [0]
    for name, method in _PATTERNS.items():
        pattern = _pattern(getattr(tokenizer, name), name, method)
        found = compiler.match(pattern) if method == "match" else compiler.search(pattern)
        for tried in dispatch(found, compiler.sets):
            numbers += [pattern_first[-1] + i for i in tried]
            numbers_first.append(len(numbers))
        for one in found:
            alternatives.append((len(code), len(one.code), one.first, one.flags, one.most, one.body))
            code += one.code
        pattern_first.append(len(alternatives))
    return {
        Section.ALTERNATIVES: _u32(alternatives),
        Section.PATTERN_FIRST: _u32(pattern_first),
        Section.DISPATCH_FIRST: _u32(numbers_first),
        Section.DISPATCH: _u32(numbers),
        Section.CODE: _u32(code),
    }


def _pattern(function: Any, name: str, method: str) -> "re.Pattern[str] | None":
    if function is None:
        return None
    pattern = getattr(function, "__self__", None)
    if not isinstance(pattern, re.Pattern) or function.__name__ != method:
        raise Unsupported(f"the {name} of its tokenizer is code of its own")
    return pattern


def _sets(sets: list[characters.Ranges]) -> dict[int, bytes]:
    ascii_bits = []
    for ranges in sets:
        bits = sum(((2 << min(last, 127)) - 1) ^ ((1 << first) - 1) for first, last in ranges if first < 128)
        ascii_bits += [bits & ((1 << 64) - 1), bits >> 64]
    return {
        Section.SET_FIRST: _u32(accumulate(map(len, sets), initial=0)),
        Section.SET_RANGES: _u32([pair for ranges in sets for pair in ranges]),
        Section.SET_ASCII: _u64(ascii_bits),
    }


def _lower() -> dict[int, bytes]:
    lowered = characters.lower_cases()
    return {
        Section.LOWER_KEYS: _u32(lowered),
        Section.LOWER_FIRST: _u32(accumulate(map(len, lowered.values()), initial=0)),
        Section.LOWER_CHARS: _u32(_code_points(lowered.values())),
    }


def _rules(tokenizer: "Tokenizer") -> dict[int, bytes]:
    """The special cases, each by its text."""
    from spacy.attrs import NORM, ORTH, intify_attrs
    from spacy.strings import get_string_id

    rules = sorted((get_string_id(text), text, tokens) for text, tokens in tokenizer.rules.items() if text)
    tokens = []
    for _, _, specified in rules:
        for attributes in (intify_attrs(token, _do_deprecated=True) for token in specified):
            tokens.append((len(attributes[ORTH]), get_string_id(attributes.get(NORM) or "")))
    packed = np.zeros(len(tokens), dtype=[("length", "<u4"), ("zero", "<u4"), ("norm", "<u8")])
    packed["length"], packed["norm"] = np.array(tokens, dtype="u8").reshape(-1, 2).T
    return {
        Section.RULE_IDS: _u64(number for number, _, _ in rules),
        Section.RULE_FIRST: _u32(accumulate((len(text) for _, text, _ in rules), initial=0)),
        Section.RULE_CHARS: _u32(_code_points(text for _, text, _ in rules)),
        Section.RULE_TOKENS_FIRST: _u32(accumulate((len(specified) for _, _, specified in rules), initial=0)),
        Section.RULE_TOKENS: packed.tobytes(),
    }


def _special_cases(tokenizer: "Tokenizer") -> dict[int, bytes]:
    """Special cases that are found among tokens, as a trie of the tokens that each would be without it."""
    from spacy.tokenizer import Tokenizer

    plain = Tokenizer(tokenizer.vocab, **{name: getattr(tokenizer, name) for name in _PATTERNS})
    # The root is the first node; what leads from a node is numbered behind it.
    edges: list[dict[int, int]] = [{}]
    ends = [0]
    for text in sorted(filter(None, tokenizer.rules)):
        if tokenizer.faster_heuristics and not (
            tokenizer.find_prefix(text) or tokenizer.find_infix(text) or tokenizer.find_suffix(text) or " " in text
        ):
            continue
        node = 0
        for token in plain(text):
            if token.orth not in edges[node]:
                edges[node][token.orth] = len(edges)
                edges.append({})
                ends.append(0)
            node = edges[node][token.orth]
        ends[node] = 1
    ordered = [sorted(following.items()) for following in edges]
    return {
        Section.TRIE_FIRST: _u32(accumulate(map(len, ordered), initial=0)),
        Section.TRIE_KEYS: _u64(key for following in ordered for key, _ in following),
        Section.TRIE_NEXT: _u32(node for following in ordered for _, node in following),
        Section.TRIE_END: _u32(ends),
    }


def _symbols() -> dict[int, bytes]:
    from spacy.strings import hash_string
    from spacy.symbols import IDS

    symbols = sorted((hash_string(name), number) for name, number in IDS.items() if name)
    return {
        Section.SYMBOL_HASHES: _u64(key for key, _ in symbols),
        Section.SYMBOL_IDS: _u64(number for _, number in symbols),
    }


def _norms(vocab: "Vocab") -> dict[int, bytes]:
    """Words whose norm is not their lower-case form: tables of the language and of the pipeline, single words of it."""
    from spacy.attrs import IDS, IS_SPACE, LOWER, NORM, PREFIX, SHAPE, SUFFIX
    from spacy.lang import lex_attrs
    from spacy.strings import get_string_id

    usual: dict[int, Callable[[str], Any]] = {
        LOWER: lex_attrs.lower,
        PREFIX: lex_attrs.prefix,
        SUFFIX: lex_attrs.suffix,
        SHAPE: lex_attrs.word_shape,
        IS_SPACE: lex_attrs.is_space,
    }
    names = {number: name for name, number in IDS.items()}
    for attribute, getter in usual.items():
        if vocab.lex_attr_getters.get(attribute) is not getter:
            raise Unsupported(f"its language has code of its own for the attribute {names[attribute]}")
    layers = []
    norm = vocab.lex_attr_getters.get(NORM)
    # Each layer of spacy.util.add_lookups is a partial of a function, the getter below it, and tables.
    while getattr(getattr(norm, "func", None), "__name__", "") == "_get_attr_unless_lookup":
        norm, tables = norm.args
        layers += tables
    if norm is not lex_attrs.lower:
        raise Unsupported("its language has code of its own for the attribute NORM")
    norms: dict[int, int] = {}
    for table in reversed(layers):  # the first one decides
        norms |= {get_string_id(word): get_string_id(value) for word, value in table.items()}
    # A pipeline's code may have set the norms of single words.
    for lexeme in vocab:
        if lexeme.norm != norms.get(lexeme.orth, get_string_id(lexeme.text.lower())):
            norms[lexeme.orth] = lexeme.norm
    ordered = sorted(norms.items())
    return {
        Section.NORM_KEYS: _u64(key for key, _ in ordered),
        Section.NORM_VALUES: _u64(value for _, value in ordered),
    }


def _code_points(texts: Iterable[str]) -> list[int]:
    return [ord(char) for text in texts for char in text]


def _u32(values: Iterable[Any]) -> bytes:
    return np.array(list(values), dtype="<u4").tobytes()


def _u64(values: Iterable[int]) -> bytes:
    return np.array(list(values), dtype="<u8").tobytes()
