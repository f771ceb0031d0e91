"""What a folder of a spaCy pipeline says of itself, and what is no such folder."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import MODEL

from burst_ner.errors import SetupError
from burst_ner.model import open_pipeline
from burst_ner_model.command import describe

SERVICE = Path(__file__).parent.parent


@pytest.fixture
def copy(model_path, tmp_path):
    """A copy of the pipeline that a test may spoil."""
    return Path(shutil.copytree(model_path, tmp_path / "model"))


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_digest_tells_models_apart_and_not_places(copy, model_path):
    digest = open_pipeline(model_path).digest()
    assert open_pipeline(copy).digest() == digest
    meta = copy / "meta.json"
    meta.write_bytes(meta.read_bytes().replace(b'"version":"3.8.0"', b'"version":"3.8.9"'))
    assert meta.stat().st_size == (model_path / "meta.json").stat().st_size
    assert open_pipeline(copy).digest() != digest


def no_folder(folder):
    shutil.rmtree(folder)
    return "There is no folder"


def no_config(folder):
    (folder / "config.cfg").unlink()
    return "is not the folder of a spaCy pipeline"


def broken_meta(folder):
    (folder / "meta.json").write_text("{")
    return "is not the folder of a spaCy pipeline"


def other_spacy(folder):
    edit(folder / "meta.json", spacy_version=">=2.3.0,<2.4.0")
    return "was made for spaCy >=2.3.0,<2.4.0, and this is spaCy 3"


UNFIT = [no_folder, no_config, broken_meta, other_spacy]


@pytest.mark.parametrize("spoil", UNFIT)
def test_an_unfit_pipeline_is_refused_with_a_sentence(copy, spoil):
    expected = spoil(copy)
    with pytest.raises(SetupError) as error:
        open_pipeline(copy)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_packages_that_are_missing(copy):
    assert open_pipeline(copy).missing_packages() == []
    edit(copy / "meta.json", requirements=["no-such-package>=1.0", "spacy>=3", "%"])
    assert open_pipeline(copy).missing_packages() == ["no-such-package>=1.0"]


def no_ner(folder):
    config = folder / "config.cfg"
    config.write_text(config.read_text().replace('"lemmatizer","ner"]', '"lemmatizer"]'))
    return "has no component that sets entities (it has: tok2vec (tok2vec), tagger (tagger), parser (parser)"


def run(*arguments, cwd=SERVICE):
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


class TestDescribe:
    def test_an_installed_package(self, model_path):
        started = time.perf_counter()
        result = run("-m", "burst_ner_model", "describe", MODEL)
        assert time.perf_counter() - started < 2
        assert (result.returncode, result.stderr) == (0, "")
        [line] = result.stdout.splitlines()
        described = json.loads(line)
        assert described.pop("labels")[-2:] == ["TIME", "WORK_OF_ART"]
        assert described == {
            "path": str(model_path),
            "name": MODEL,
            "version": "3.8.0",
            "lang": "en",
            "ents_f": pytest.approx(0.843, abs=0.001),
            "license": "MIT",
            "spacy_version": ">=3.7.5,<3.9.0",
            "source": "package",
            "runs_on": None,
        }

    def test_a_package_by_the_name_that_pip_shows(self, model_path):
        assert describe(MODEL.replace("_", "-"))["path"] == str(model_path)

    def test_folders(self, model_path):
        assert describe(str(model_path))["source"] == "folder"
        assert describe(str(model_path.parent))["path"] == str(model_path)

    def test_a_pipeline_with_little_to_tell(self, copy):
        edit(copy / "meta.json", performance={}, labels={}, license="")
        described = describe(str(copy))
        assert (described["ents_f"], described["labels"]) == (None, [])

    def test_neither_spacy_nor_numpy_is_loaded(self):
        look = "print({'spacy', 'numpy'} & set(sys.modules))"
        code = f"import sys; from burst_ner_model.command import describe; describe('{MODEL}'); {look}"
        assert run("-c", code).stdout == "set()\n"

    @pytest.mark.parametrize("spoil", [*UNFIT, no_ner])
    def test_an_unfit_pipeline(self, copy, spoil):
        expected = spoil(copy) if spoil is not no_folder else "neither a folder"
        if spoil is no_folder:
            no_folder(copy)
        with pytest.raises(SetupError) as error:
            describe(str(copy))
        assert expected in str(error.value)

    @pytest.mark.parametrize("name", ["en_core_web_lg", "no.such.package", "./nowhere", "pytest.mark"])
    def test_not_found(self, name):
        result = run("-m", "burst_ner_model", "describe", name)
        assert (result.returncode, result.stdout) == (2, "")
        [sentence] = result.stderr.splitlines()
        assert f"'{name}' is neither a folder" in sentence
        assert f"whose models are: {MODEL};" in sentence
        assert f"{sys.executable} -m pip install" in sentence
        assert ("en_core_web_lg-3.8.0-py3-none-any.whl" in sentence) == (name == "en_core_web_lg")
