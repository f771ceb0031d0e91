"""Prepared models as the function finds them: what is refused, and what `verify` sees."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from conftest import function_url_event
from test_runtime import RuntimeApi

from burst_ner.errors import SetupError
from burst_ner.opening import load
from burst_ner.prepared import MODEL, open_prepared, verify


@pytest.fixture
def copy(prepared_path, tmp_path):
    """A copy of a prepared model that a test may spoil."""
    return Path(shutil.copytree(prepared_path, tmp_path / "model"))


@pytest.fixture
def on_spacy(model_path, tmp_path):
    """A prepared model that only spaCy can run."""
    folder = tmp_path / "on-spacy"
    shutil.copytree(model_path, folder / "pipeline")
    files = {
        path.relative_to(folder).as_posix(): {"sha256": "", "bytes": path.stat().st_size}
        for path in folder.rglob("*")
        if path.is_file()
    }
    manifest = {"format": 2, "runs_on": "spacy", "reason": "a test", "name": "en_test", "version": "1", "files": files}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_model_that_needs_spacy_is_run_by_spacy(on_spacy, plain):
    recognizer, model = load(on_spacy)
    assert (model.name, recognizer.limits, recognizer.labels) == ("en_test", plain.limits, plain.labels)
    texts = ["Ada Lovelace lived in London.", "", "😀 Łukasz flew from São Paulo to 東京 with Lufthansa."]
    assert recognizer.recognize(texts, 60) == plain.recognize(texts, 60)


def test_both_ways_give_the_same_labels(engine, plain):
    assert engine.labels == plain.labels


def truncated(folder):
    with (folder / MODEL).open("r+b") as file:
        file.truncate(100_000)
    return "is not complete: model.bin has 100,000 bytes instead of"


def missing(folder):
    (folder / MODEL).unlink()
    return "is not complete: model.bin cannot be read (No such file or directory)"


def half_written(folder):
    manifest = folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:100])
    return "is not the manifest of a prepared model"


def no_manifest(folder):
    (folder / "manifest.json").unlink()
    return "is not the folder of a spaCy pipeline"


def other_json(folder):
    (folder / "manifest.json").write_text("[1]")
    return "is not the manifest of a prepared model"


def too_deep(folder):
    (folder / "manifest.json").write_text("[" * 5_000)
    return "is not the manifest of a prepared model"


def no_name(folder):
    set_in_manifest(folder, "name", None)
    return "is not the manifest of a prepared model"


def no_digest(folder):
    set_in_manifest(folder, "files", {MODEL: {"bytes": 1}})
    return "is not the manifest of a prepared model"


def no_size(folder):
    set_in_manifest(folder, "files", {MODEL: {"bytes": [], "sha256": ""}})
    return "is not the manifest of a prepared model"


def no_file_name(folder):
    set_in_manifest(folder, "files", {"a\0b": {"bytes": 1, "sha256": ""}})
    return "cannot be read ("


def set_in_manifest(folder, key, value):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {key: value}))


def other_format(folder):
    set_in_manifest(folder, "format", 1)
    return "has format 1, and this burst-ner reads format 2; build it anew"


def run_by_nobody(folder):
    set_in_manifest(folder, "runs_on", "x")
    return "is not the manifest of a prepared model"


def damaged_header(folder):
    with (folder / MODEL).open("r+b") as file:
        file.write(b"\xc1" * 64)
    return f"The model file {folder / MODEL} cannot be used: "


UNFIT = [truncated, missing, half_written, no_manifest, other_json, other_format, run_by_nobody, damaged_header]
UNFIT += [too_deep, no_name, no_digest, no_size, no_file_name]


class TestRefused:
    @pytest.mark.parametrize("spoil", UNFIT)
    def test_a_spoilt_model_is_named_with_what_to_do(self, copy, spoil):
        expected = spoil(copy)
        with pytest.raises(SetupError) as error:
            load(copy)
        assert expected in str(error.value)
        assert str(copy) in str(error.value)
        assert "\n" not in str(error.value)

    @pytest.mark.skipif(sys.platform != "linux", reason="awslambdaric has a native client on Linux only")
    def test_the_process_ends_and_the_next_works_once_it_is_mended(self, copy, prepared_path):
        expected = truncated(copy)
        first = RuntimeApi({"SPACY_MODEL_PATH": str(copy)})
        path, body, error_type = first.posted.get(timeout=25)
        assert (path, error_type) == ("/init/error", "SetupError")
        assert expected in body["errorMessage"]
        assert first.process.wait(25) == 1
        [line] = first.stop()[1].splitlines()
        assert expected in line

        shutil.copyfile(prepared_path / MODEL, copy / MODEL)
        second = RuntimeApi({"SPACY_MODEL_PATH": str(copy)})
        text = "Angela Merkel visited Paris."
        status, _, body = second.invoke(function_url_event({"text": text}), "first")
        second.stop()
        assert (status, len(body["entities"])) == (200, 2)


class TestVerify:
    def test_a_whole_model(self, copy):
        assert verify(copy).digest() == open_prepared(copy).digest()

    def test_one_flipped_bit(self, copy):
        model = copy / MODEL
        data = bytearray(model.read_bytes())
        data[-1] ^= 1
        model.write_bytes(data)
        load(copy)  # weights are only mapped: a cold start has no time to read them
        with pytest.raises(SetupError, match=r"is damaged: model\.bin has not the SHA-256"):
            verify(copy)
