"""Loading a pipeline for NER, and what is no such pipeline."""

import json
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import spacy
from conftest import MODEL

from burst_ner.errors import SetupError
from burst_ner.model import load, open_pipeline
from tools.model import describe

SERVICE = Path(__file__).parent.parent

TEXTS = [
    "Ada Lovelace lived in London and wrote to Charles Babbage on 10 July 1843.",
    "The European Commission fined Google €2.42 billion in June 2017; shares fell 2.5 percent in New York.",
    "Minutes, 3 May 2021. Present: J. Ortiz (chair), Prof. Amélie Dupont, two guests from Siemens AG.",
    "😀 Łukasz flew from São Paulo to 東京 with Lufthansa 👩🏽‍💻.",
    "name;city;amount\nKim;Seoul;1,200\n;;\n\nO'Brien;Cork;$7",
    "the cat sat on the mat",
]


@pytest.fixture
def copy(model_path, tmp_path):
    """A copy of the pipeline that a test may spoil."""
    return Path(shutil.copytree(model_path, tmp_path / "model"))


@pytest.fixture(scope="module")
def listening(model_path, tmp_path_factory):
    """A pipeline whose `ner` listens to a tok2vec that it shares with a tagger."""
    folder = tmp_path_factory.mktemp("listening")
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    nlp.add_pipe("tok2vec", name="unheard")
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96, "upstream": "tok2vec"}
    model = {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}
    nlp.add_pipe("tagger", config={"model": model}).add_label("X")
    model = {"@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner", "tok2vec": listener}
    model |= {"extra_state_tokens": False, "hidden_width": 64, "maxout_pieces": 2, "use_upper": True}
    nlp.add_pipe("ner", config={"model": model}).add_label("PERSON")
    nlp.initialize()
    nlp.to_disk(folder)
    return folder


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def entities(nlp):
    return [[(e.start_char, e.end_char, e.label_) for e in doc.ents] for doc in nlp.pipe(TEXTS)]


def test_ner_alone_finds_what_the_whole_pipeline_finds(model_path):
    nlp, _ = load(model_path)
    assert nlp.component_names == ["ner"]
    found = entities(nlp)
    assert found == entities(spacy.load(model_path))
    assert sum(map(len, found)) > 10


@pytest.mark.parametrize(
    ("upstream", "loaded"), [("tok2vec", ["tok2vec", "ner"]), ("*", ["tok2vec", "unheard", "ner"])]
)
def test_a_shared_tok2vec_comes_along(listening, tmp_path, upstream, loaded):
    folder = Path(shutil.copytree(listening, tmp_path / "model"))
    config = folder / "config.cfg"
    config.write_text(config.read_text().replace('upstream = "tok2vec"', f'upstream = "{upstream}"'))
    nlp, _ = load(folder)
    assert nlp.component_names == loaded
    assert entities(nlp) == entities(spacy.load(folder))


def test_ner_that_was_saved_disabled_runs(copy):
    config = copy / "config.cfg"
    config.write_text(config.read_text().replace('disabled = ["senter"]', 'disabled = ["ner"]'))
    nlp, _ = load(copy)
    assert nlp.pipe_names == ["ner"]


def test_loading_is_quiet(copy):
    edit(copy / "meta.json", spacy_version=">=3.0.0")  # spaCy warns of a range without an end
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(copy)


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


def no_ner(folder):
    config = folder / "config.cfg"
    config.write_text(config.read_text().replace('"lemmatizer","ner"]', '"lemmatizer"]'))
    return "no component 'ner' (it has: tok2vec, tagger, parser, senter, attribute_ruler, lemmatizer)"


def other_spacy(folder):
    edit(folder / "meta.json", spacy_version=">=3.4.0,<3.5.0")
    return f"was made for spaCy >=3.4.0,<3.5.0, and this is spaCy {spacy.__version__}"


def missing_requirement(folder):
    edit(folder / "meta.json", requirements=["no-such-package>=1.0"])
    return f"{sys.executable} -m pip install 'no-such-package>=1.0'"


def truncated(folder):
    weights = folder / "ner" / "model"
    weights.write_bytes(weights.read_bytes()[:100_000])
    return "cannot load the pipeline"


UNFIT = [no_folder, no_config, broken_meta, no_ner, other_spacy, missing_requirement]


@pytest.mark.parametrize("spoil", [*UNFIT, truncated])
def test_an_unfit_pipeline_is_refused_with_a_sentence(copy, spoil):
    expected = spoil(copy)
    with pytest.raises(SetupError) as error:
        load(copy)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def run(*arguments, cwd=SERVICE):
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


class TestDescribe:
    def test_an_installed_package(self, model_path):
        started = time.perf_counter()
        result = run("-m", "tools.model", "describe", MODEL)
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
        code = f"import sys; from tools.model import describe; describe('{MODEL}'); {look}"
        assert run("-c", code).stdout == "set()\n"

    @pytest.mark.parametrize("spoil", UNFIT)
    def test_an_unfit_pipeline(self, copy, spoil):
        expected = spoil(copy) if spoil is not no_folder else "neither a folder"
        if spoil is no_folder:
            no_folder(copy)
        with pytest.raises(SetupError) as error:
            describe(str(copy))
        assert expected in str(error.value)

    @pytest.mark.parametrize("name", ["en_core_web_lg", "no.such.package", "./nowhere", "pytest.mark"])
    def test_not_found(self, name):
        result = run("-m", "tools.model", "describe", name)
        assert (result.returncode, result.stdout) == (2, "")
        [sentence] = result.stderr.splitlines()
        assert f"'{name}' is neither a folder" in sentence
        assert f"{sys.executable} -m pip install" in sentence
        assert ("en_core_web_lg-3.8.0-py3-none-any.whl" in sentence) == (name == "en_core_web_lg")
