"""What spaCy's `ner` finds, for all tokens at once instead of token by token.

spaCy's own loop over the tokens is in C, but its wheels (3.8.18, x86_64) take and give back Python's global lock in
each of the loop's one-line methods, 860 times a token (gdb's count of calls of PyGILState_Ensure): two thirds of the
time of a text. The same actions can be found without a loop over the tokens:

- Outside an entity, what `ner` does next depends on the next token alone, so one matrix product tells for every token.
- Inside, it depends on the entity's first token, too, and there are two actions: go on, or end with this token. All
  entities that could begin are followed together; few are longer than four tokens.
- Then one walk takes the entities from left to right, and those that begin within another one are passed over.

Source: spacy/pipeline/_parser_internals/ner.pyx (what is valid when), _state.pxd (set_context_tokens),
spacy/ml/parser_model.pyx (predict_states). Imported after `import_spacy`.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from spacy.attrs import IDX, IS_SPACE, LENGTH, intify_attr
from spacy.pipeline import EntityRecognizer
from spacy.tokens import Doc
from thinc.api import chain

if TYPE_CHECKING:
    from spacy.language import Language

#: (start_char, end_char, label), in code points.
Span = tuple[int, int, str]

# The tokens that a state looks at: the next one, the first of the open entity, the last of the open entity.
_NEXT, _FIRST, _LAST = range(3)


class Transitions:
    """The greedy search of one `ner`, for documents that a tokenizer made: no entities or sentence starts are set."""

    @staticmethod
    def of(nlp: "Language") -> "Transitions | None":
        """Those of a pipeline; None where it has more than `ner`, or another kind of it, so that spaCy must search."""
        ner = nlp.get_pipe("ner")
        if nlp.pipe_names != ["ner"] or type(ner) is not EntityRecognizer or ner.cfg["beam_width"] != 1:
            return None
        model = ner.model
        if model.name != "parser_model" or not model.attrs["has_upper"] or model.attrs["unseen_classes"]:
            return None
        if model.get_ref("lower").get_dim("nF") != 3 or model.get_ref("tok2vec").layers[-1].name != "linear":
            return None
        # Of a new word spaCy finds out 23 attributes, by a Python function each.
        read = [a for node in model.walk() for a in node.attrs.get("columns", ())]
        needed = {IS_SPACE, *map(intify_attr, read)}
        getters = nlp.vocab.lex_attr_getters
        nlp.vocab.lex_attr_getters = {attr: getter for attr, getter in getters.items() if attr in needed}
        return Transitions(ner)

    def __init__(self, ner: EntityRecognizer) -> None:
        *tok2vec, linear = ner.model.get_ref("tok2vec").layers
        self._tok2vec = chain(*tok2vec)
        lower, upper = ner.model.get_ref("lower"), ner.model.get_ref("upper")
        weights = lower.get_param("W")
        tokens, hidden, pieces, width = weights.shape
        # Pieces before hidden: the greatest of the pieces is then taken of whole rows.
        self._shape = (pieces, hidden)
        weights = weights.transpose(0, 3, 2, 1).reshape(tokens, width, -1)
        absent = lower.get_param("pad")[0].transpose(0, 2, 1).reshape(tokens, -1)
        bias = lower.get_param("b").T.reshape(-1)
        # Nothing is between the two layers, so they are one.
        self._lower = linear.get_param("W").T @ weights
        present = linear.get_param("b") @ weights
        self._bias_outside = bias + present[_NEXT] + absent[_FIRST] + absent[_LAST]
        self._bias_inside = bias + present.sum(axis=0)
        names = [ner.moves.get_class_name(number) for number in range(ner.moves.n_moves)]
        # In the order of the moves, because the first of equal scores wins. "U-" is for tokens that are set already.
        outside = [i for i, name in enumerate(names) if name == "O" or (name[0] in "BU" and name != "U-")]
        self._out = [names[i] for i in outside].index("O")
        self._labels = [names[i][2:] for i in outside]
        self._begins = np.array([names[i][0] == "B" for i in outside])
        # The columns of I and L for each action that begins an entity; I is always before L.
        self._inside = np.array(
            [[names.index(f"{move}-{names[i][2:]}") if names[i][0] == "B" else 0 for move in "IL"] for i in outside]
        )
        upper_weights, upper_bias = upper.get_param("W"), upper.get_param("b")
        self._upper_outside = np.ascontiguousarray(upper_weights[outside].T), upper_bias[outside]
        self._upper = np.ascontiguousarray(upper_weights.T), upper_bias

    def find(self, docs: Sequence[Doc]) -> list[list[Span]]:
        """The entities of each document."""
        found: list[list[Span]] = [[] for _ in docs]
        ends = list(accumulate(len(doc) for doc in docs))
        if not docs or not ends[-1]:
            return found
        tokens = np.concatenate([doc.to_array([IS_SPACE, IDX, LENGTH]) for doc in docs])
        is_last = np.zeros(len(tokens), dtype=bool)
        is_last[[end - 1 for end, doc in zip(ends, docs, strict=True) if len(doc)]] = True
        starts = tokens[:, 1].tolist()
        lengths = tokens[:, 2].tolist()
        for first, end, label in self._search(self._tok2vec.predict(docs), tokens[:, 0] != 0, is_last):
            found[bisect_right(ends, first)].append((starts[first], starts[end - 1] + lengths[end - 1], label))
        return found

    def _search(self, vectors: np.ndarray, is_space: np.ndarray, is_last: np.ndarray) -> list[tuple[int, int, str]]:
        """First token, the one behind the last, and label of each entity, among the tokens of all documents."""
        coming = vectors @ self._lower[_NEXT]
        scores = self._scores(coming + self._bias_outside, *self._upper_outside)
        scores[np.ix_(is_last, self._begins)] = -np.inf  # an entity of one token is a U
        actions = scores.argmax(axis=1)
        actions[is_space] = self._out  # no entity begins with a space
        entities = np.flatnonzero(actions != self._out)
        ends = self._ends(vectors, coming, entities[self._begins[actions[entities]]], actions, is_last)
        found, end = [], 0
        for first, action in zip(entities.tolist(), actions[entities].tolist(), strict=True):
            if first >= end:
                end = ends.get(first, first + 1)
                found.append((first, end, self._labels[action]))
        return found

    def _ends(
        self, vectors: np.ndarray, coming: np.ndarray, first: np.ndarray, actions: np.ndarray, is_last: np.ndarray
    ) -> dict[int, int]:
        """For each token that begins an entity, the one behind the entity's last."""
        ends: dict[int, int] = {}
        token = first + 1
        begun = vectors[first] @ self._lower[_FIRST] + self._bias_inside
        while len(first):
            state = coming[token] + begun + vectors[token - 1] @ self._lower[_LAST]
            entity = np.arange(len(first))[:, np.newaxis]
            scores = self._scores(state, *self._upper)[entity, self._inside[actions[first]]]
            goes_on = (scores[:, 0] >= scores[:, 1]) & ~is_last[token]
            ends |= zip(first[~goes_on].tolist(), (token[~goes_on] + 1).tolist(), strict=True)
            first, token, begun = first[goes_on], token[goes_on] + 1, begun[goes_on]
        return ends

    def _scores(self, state: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
        return state.reshape(-1, *self._shape).max(axis=1) @ weights + bias
