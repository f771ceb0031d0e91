"""The engine by itself: each kind of processor, long texts, many texts at once, time that runs out."""

import pytest

from burst_ner.engine import Engine, open_library
from burst_ner.errors import SetupError
from burst_ner.prepared import MODEL
from burst_ner.recognizer import OutOfTime
from burst_ner_model.corpus import texts

TEXTS = [text for _, text in texts("en", ["don't", "e.g.", "U.S.", "C++"])]


@pytest.fixture(scope="module")
def file(prepared_path):
    return prepared_path / MODEL


def test_the_same_entities_without_avx2(file):
    library = open_library()
    best = library.ner_simd(-1)
    try:
        portable = library.ner_simd(0)
        entities = Engine(file).recognize(TEXTS, 60)
    finally:
        library.ner_simd(best)
    assert (portable, sum(map(len, entities)) > 500) == (2 if best == 2 else 0, True)
    assert entities == Engine(file).recognize(TEXTS, 60)


def test_texts_do_not_see_their_neighbours(file):
    engine = Engine(file)
    together = engine.recognize(TEXTS, 60)
    assert together == [engine.recognize([text], 60)[0] for text in TEXTS]
    assert together == Engine(file).recognize(TEXTS[::-1], 60)[::-1]


def test_a_text_of_many_blocks(file, model_path):
    import spacy

    text = " ".join(TEXTS)[:30_000]
    expected = [(e.start_char, e.end_char, e.label_) for e in spacy.load(model_path)(text).ents]
    found = Engine(file).recognize([text], 60)[0]
    assert [(one["start_char"], one["end_char"], one["label"]) for one in found] == expected
    assert len(text) > 20_000
    assert len(expected) > 200


def test_time_that_runs_out_leaves_the_engine_as_it_was(file):
    engine = Engine(file)
    with pytest.raises(OutOfTime):
        engine.recognize(TEXTS, 0)
    assert engine.recognize(TEXTS, 60) == Engine(file).recognize(TEXTS, 60)


def test_no_texts_and_empty_ones(file):
    engine = Engine(file)
    assert (engine.recognize([], 1), engine.recognize(["", " ", "\n\n"], 1)) == ([], [[], [], []])


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda data: b"", "it does not begin as a model file does"),
        (lambda data: b"X" + data[1:], "it does not begin as a model file does"),
        (lambda data: data[:-64], "it has not the length that it was written with"),
        (lambda data: data[:100] + b"\xff" + data[101:], "its directory is damaged"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name(file, tmp_path, damage, why):
    path = tmp_path / "model.bin"
    path.write_bytes(damage(file.read_bytes()))
    with pytest.raises(SetupError) as refused:
        Engine(path)
    assert str(refused.value) == f"The model file {path} cannot be used: {why}."
