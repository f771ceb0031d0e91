"""The provisioner's code against a real S3 server (moto) on loopback, with a temporary folder in place of EFS."""

import fcntl
import hashlib
import http.server
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import boto3
import loopback
import pytest

PROVISIONER = Path(__file__).parents[1] / "provisioner"
sys.path.insert(0, str(PROVISIONER))
import provision  # noqa: E402

BUCKET = "artifacts"
MODEL = "en_core_web_lg-3.8.0"
#: The names are a prepared model's, the contents are not.
FILES = {"tokenizer": b"tokens" * 1000, "ner/cfg": b"{}", "ner/model": os.urandom(100_000), "vocab/key2row": b"\x80"}


@pytest.fixture(scope="module")
def account():
    server, settings = loopback.start()
    yield settings
    server.stop()


@pytest.fixture(autouse=True)
def aws(account, monkeypatch, tmp_path):
    root = tmp_path / "models"
    root.mkdir()
    for name, value in (account | {"MODEL_ROOT": str(root), "BUCKET": BUCKET}).items():
        monkeypatch.setenv(name, value)
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return s3


@pytest.fixture
def root(tmp_path):
    return tmp_path / "models"


def member(name, content=b"", **attributes):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def manifest(files):
    listed = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    return json.dumps({"format": 1, "files": listed}).encode()


def pack(files=FILES, extra=(), mode="w:gz", listing=None):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        everything = {provision.MANIFEST: listing or manifest(files), **files}
        for info, content in [*(member(*item) for item in everything.items()), *extra]:
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def upload(aws):
    """Puts an archive into S3 and returns the event for it."""

    def put(archive, model=MODEL, **other):
        key = f"models/{model}.tar.gz"
        version = aws.put_object(Bucket=BUCKET, Key=key, Body=archive)["VersionId"]
        sha256 = hashlib.sha256(archive).hexdigest()
        return {"model": model, "key": key, "version_id": version, "sha256": sha256, **other}

    return put


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(event, root, words):
    """The event is refused with these words, and nothing below the root has changed."""
    before = content(root)
    with pytest.raises(provision.ProvisionError, match=words) as caught:
        provision.handler(event)
    assert "\n" not in str(caught.value)
    assert {name for name in content(root) if name != ".lock"} == before.keys() - {".lock"}
    assert content(root).items() >= before.items()
    assert not list(root.glob(".incoming-*"))


def run(event, **options):
    """The provisioner in a process of its own. Prints its result and the most bytes that Python's objects took."""
    code = (
        "import json, provision, tracemalloc\n"
        "tracemalloc.start()\n"
        f"result = provision.handler({event!r})\n"
        "print(json.dumps([result, tracemalloc.get_traced_memory()[1]]))"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code], cwd=PROVISIONER, **pipes, **options)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_unpacks_a_model_beside_others_and_says_what_it_did(upload, root, mode):
    (root / "another").mkdir()
    result = provision.handler(upload(pack(mode=mode)))
    assert content(root / MODEL) == {provision.MANIFEST: manifest(FILES), **FILES}
    assert result.pop("seconds") < 60
    assert result == {
        "model": MODEL,
        "changed": True,
        "files": len(FILES),
        "bytes": sum(map(len, FILES.values())),
        "sha256": hashlib.sha256(manifest(FILES)).hexdigest(),
    }
    assert sorted(path.name for path in root.iterdir()) == [".lock", "another", MODEL]


def test_leaves_the_same_model_alone_however_it_is_packed(upload, root):
    provision.handler(upload(pack(mode="w:gz")))
    inode = (root / MODEL).stat().st_ino
    assert provision.handler(upload(pack(mode="w")))["changed"] is False
    assert (root / MODEL).stat().st_ino == inode


def test_reads_the_version_that_it_was_given(upload, root):
    event = upload(pack())
    upload(b"what somebody put there since")
    assert provision.handler(event)["changed"]


def test_refuses_other_bytes_under_a_name_in_use(upload, root):
    provision.handler(upload(pack()))
    refused(upload(pack({**FILES, "tokenizer": b"other"})), root, f"{MODEL} holds another model.*another name")
    (root / MODEL / "ner/cfg").write_bytes(b"{ }")
    refused(upload(pack()), root, f"{MODEL} is damaged: ner/cfg")


def test_refuses_an_archive_that_is_not_the_one_that_was_meant(upload, root):
    provision.handler(upload(pack({"old": b"1"}), model="old"))
    refused(upload(pack(), sha256="0" * 64), root, "has the SHA-256 [0-9a-f]{64} instead of 0{64}")
    # A cut archive cannot be unpacked either; that its bytes are others is what helps.
    refused(upload(pack()[:-2000], sha256="0" * 64), root, "has the SHA-256")
    refused(upload(pack(), key="models/nowhere.tar"), root, r"s3://artifacts/models/nowhere\.tar .*NoSuchVersion")


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        pytest.param(pack()[:-2000], "not a whole tar archive", id="cut gzip"),
        pytest.param(pack(mode="w")[:50_000], "not a whole tar archive", id="cut tar"),
        pytest.param(pack(mode="w")[:10240], "not a whole tar archive|one alone has", id="cut early"),
        pytest.param(b"PK\x03\x04" + bytes(1000), "not a whole tar archive", id="no tar"),
        pytest.param(b"", "not a whole tar archive", id="empty"),
        pytest.param(pack(extra=[member("../escaped", b"x")]), "outside the destination", id="traversal"),
        pytest.param(pack(extra=[member("/tmp/escaped", b"x")]), "one alone has tmp/escaped", id="absolute path"),
        pytest.param(pack(extra=[member("ner/up", type=tarfile.SYMTYPE, linkname="../..")]), "neither", id="link"),
        pytest.param(
            pack(extra=[member("p", type=tarfile.LNKTYPE, linkname="/etc/passwd")]), "neither", id="hard link"
        ),
        pytest.param(pack(extra=[member("null", type=tarfile.CHRTYPE, devmajor=1)]), "neither", id="device"),
        pytest.param(pack(extra=[member("._ner", b"x")]), r"one alone has \._ner", id="file too many"),
        pytest.param(pack({}, listing=manifest(FILES)), "one alone has ner/cfg, ner/model", id="files missing"),
        pytest.param(
            pack({**FILES, "tokenizer": b"x"}, listing=manifest(FILES)), "damaged: tokenizer", id="other content"
        ),
        pytest.param(pack(listing=b"[]"), "not a prepared model's", id="no manifest"),
        pytest.param(pack(listing=b'{"files": ["ner/cfg"]}'), "not a prepared model's", id="odd manifest"),
        pytest.param(
            pack(listing=manifest({f"a/{n}": d for n, d in FILES.items()})), "one alone has a/ner/cfg", id="other names"
        ),
    ],
)
def test_refuses_what_is_not_a_whole_model(upload, root, tmp_path, archive, words):
    provision.handler(upload(pack({"old": b"1"}), model="old"))
    refused(upload(archive), root, words)
    assert [path.name for path in tmp_path.iterdir()] == ["models"]


def test_refuses_an_archive_without_manifest(upload, root):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("folder/manifest.json"))
    refused(upload(packed.getvalue()), root, r"has no manifest\.json at its top")


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "a/b", "/abs", ".incoming-1", "a/"])
def test_refuses_names_that_are_not_one_folder(upload, root, name):
    refused(upload(pack(), model=name), root, "is not the name of a model's folder")


def test_says_when_the_file_system_is_full(upload, root):
    provision.handler(upload(pack({"old": b"1"}), model="old"))

    def limit():  # the system's own error, without filling a disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    full = run(upload(pack()), preexec_fn=limit)
    _, errors = full.communicate(timeout=60)
    assert full.returncode == 1
    assert f"ProvisionError: The file system did not take the model {MODEL}: " in errors
    assert sorted(path.name for path in root.iterdir()) == [".lock", "old"]


@pytest.mark.parametrize("odd", [".lock/no-file", ".incoming-no-folder"])
def test_says_when_the_file_system_refuses_the_lock_or_to_tidy_up(upload, root, odd):
    (root / odd).parent.mkdir(exist_ok=True)
    (root / odd).touch()
    with pytest.raises(provision.ProvisionError, match=f"did not take the model {MODEL}: .*director"):
        provision.handler(upload(pack()))


def test_refuses_to_write_beside_another_run(upload, root):
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused(upload(pack()), root, "Another run is writing models")
    assert provision.handler(upload(pack()))["changed"]


def test_streams_a_large_model_in_little_memory(upload, root):
    peaks = {}
    for megabytes in (1, 96):
        files = {"ner/model": os.urandom(1 << 20) * megabytes}
        process = run(upload(pack(files, mode="w"), model=f"mb{megabytes}"))
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        result, peaks[megabytes] = json.loads(output)
        assert result["bytes"] == megabytes << 20
    assert peaks[96] - peaks[1] < 8 << 20, peaks


@pytest.fixture
def half(request):
    """An S3 server that sends half of an archive. `half.archive` is to be set; then it waits, or hangs up."""

    class Half(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            archive = server.archive
            self.send_response(200)
            self.send_header("Content-Length", str(len(archive)))
            self.end_headers()
            self.wfile.write(archive[: len(archive) // 2])
            self.wfile.flush()
            if request.param == "waits":
                ended.wait(60)
            self.close_connection = True

        def log_message(self, *_):
            pass

    ended = threading.Event()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Half) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        ended.set()
        server.shutdown()


@pytest.mark.parametrize("half", ["waits"], indirect=True)
def test_killed_half_way_it_leaves_the_old_model_and_the_next_run_cleans_up(upload, root, half):
    provision.handler(upload(pack({"old": b"1"}), model="old"))
    old = content(root / "old")
    event = upload(archive := pack({"a": b"1", "ner/model": os.urandom(4 << 20)}, mode="w"))
    half.archive = archive
    killed = run(event, env={**os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{half.server_address[1]}"})
    deadline = time.monotonic() + 60
    while not list(root.glob(".incoming-*/ner/model")):
        assert killed.poll() is None, killed.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert list(root.glob(".incoming-*/ner/model"))
    assert not (root / MODEL).exists()
    assert content(root / "old") == old

    assert provision.handler(event)["changed"]
    assert sorted(path.name for path in root.iterdir()) == [".lock", MODEL, "old"]
    assert content(root / "old") == old


@pytest.mark.parametrize("half", ["hangs up"], indirect=True)
def test_says_when_s3_ends_half_way(upload, root, half, monkeypatch):
    event = upload(archive := pack())
    half.archive = archive
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{half.server_address[1]}")
    refused(event, root, "s3://artifacts/.* could not be read: ")
