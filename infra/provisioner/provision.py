"""Brings a prepared model from S3 to EFS: the code of the provisioner function, which Terraform calls in apply.

Needs Python 3.11.4 or later and boto3, both of which Lambda has, and nothing else. Environment: MODEL_ROOT, the folder
of all models (where EFS is mounted), and BUCKET, where the archive is.
"""

import fcntl
import hashlib
import json
import os
import shutil
import tarfile
import time
from pathlib import Path
from tempfile import mkdtemp

import boto3
from botocore.exceptions import BotoCoreError, ClientError

MANIFEST = "manifest.json"
#: Begins the names of folders that are not checked yet. No model's name starts with a dot.
INCOMING = ".incoming-"
CHUNK = 1 << 20  # bytes


class ProvisionError(Exception):
    """Why the model is not there, as one sentence. Lambda hands it to Terraform, and apply fails with it."""


def handler(event: dict[str, str], _context: object = None) -> dict[str, object]:
    """Makes the folder MODEL_ROOT/model of an archive, or leaves it alone when it is that model already.

    The folder appears by one rename, whole or not at all, and is never written again, since functions have its files
    mapped. Other models stay as they are.

    Args:
        event: model (the folder's name), key and version_id (of the archive: a tar or tar.gz of a prepared model's
            files, with manifest.json at its top), sha256 (of the archive, 64 hex digits).

    Returns:
        model, changed (false when it was there), files (how many), bytes (of all of them), sha256 (of the manifest,
        which the service calls the model's digest), seconds.

    Raises:
        ProvisionError: another archive than was meant, not a whole model, another model of that name, or no space.
            Nothing is left of the new one, and what was there is as it was.
    """
    start = time.monotonic()
    root, model = Path(os.environ["MODEL_ROOT"]), event["model"]
    if not model or model != Path(model).name or model.startswith("."):
        raise ProvisionError(f"{model!r} is not the name of a model's folder.")
    try:
        with (root / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ProvisionError("Another run is writing models; apply again when it has ended.") from None
            for leftover in root.glob(f"{INCOMING}*"):  # of a run that was killed
                shutil.rmtree(leftover)
            incoming = Path(mkdtemp(prefix=INCOMING, dir=root))
            try:
                fetch(event, incoming)
                sizes = check(incoming, "The archive")
                changed = publish(incoming, root / model)
            finally:
                shutil.rmtree(incoming, ignore_errors=True)
    except OSError as error:
        raise ProvisionError(f"The file system did not take the model {model}: {error}.") from error
    return {
        "model": model,
        "changed": changed,
        "files": len(sizes),
        "bytes": sum(sizes.values()),
        "sha256": sha256(root / model / MANIFEST),
        "seconds": round(time.monotonic() - start, 1),
    }


class HashedBody:
    """What tarfile reads from: hashes the bytes that pass, so that the archive is read once and kept nowhere."""

    def __init__(self, body) -> None:
        self.body = body
        self.sha256 = hashlib.sha256()

    def read(self, size: int) -> bytes:
        chunk = self.body.read(size)
        self.sha256.update(chunk)
        return chunk


def fetch(event: dict[str, str], folder: Path) -> None:
    """Unpacks the archive while it arrives. What is in the folder counts only once this has returned."""
    bucket = os.environ["BUCKET"]
    where = f"s3://{bucket}/{event['key']} (version {event['version_id']})"
    broken = None
    try:
        found = boto3.client("s3").get_object(Bucket=bucket, Key=event["key"], VersionId=event["version_id"])
        body = HashedBody(found["Body"])
        try:
            unpack(body, folder)
        except (tarfile.TarError, EOFError) as error:
            broken = error
        while body.read(CHUNK):  # what tar does not need, such as its padding
            pass
    except (BotoCoreError, ClientError) as error:
        raise ProvisionError(f"{where} could not be read: {error}") from error
    if body.sha256.hexdigest() != event["sha256"]:
        raise ProvisionError(f"{where} has the SHA-256 {body.sha256.hexdigest()} instead of {event['sha256']}.")
    if broken:
        raise ProvisionError(f"{where} is not a whole tar archive of a model: {broken}.") from broken


def unpack(body: HashedBody, folder: Path) -> None:
    with tarfile.open(fileobj=body, mode="r|*", bufsize=CHUNK) as archive:
        for member in archive:
            if not (member.isfile() or member.isdir()):
                raise tarfile.TarError(f"{member.name} is neither a file nor a folder")
            # The filter refuses what would be written elsewhere.
            archive.extract(member, folder, filter="data")


def check(folder: Path, what: str) -> dict[str, int]:
    """Compares every file with the model's own manifest.

    Returns:
        The size of each file in bytes, by name.
    """
    try:
        listed = json.loads((folder / MANIFEST).read_bytes())["files"]
        hashes = {name: file["sha256"] for name, file in listed.items()}
    except FileNotFoundError:
        raise ProvisionError(f"{what} has no {MANIFEST} at its top: pack the files of a prepared model.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProvisionError(f"{what} has a {MANIFEST} that is not a prepared model's.") from error
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    del found[MANIFEST]
    if odd := sorted(found.keys() ^ hashes.keys()):
        raise ProvisionError(f"{what} and its manifest do not list the same files: one alone has {', '.join(odd)}.")
    for name, path in found.items():
        if sha256(path) != hashes[name]:
            raise ProvisionError(f"{what} is damaged: {name} does not have the SHA-256 of the manifest.")
    return {name: path.stat().st_size for name, path in found.items()}


def publish(incoming: Path, target: Path) -> bool:
    """Gives a checked folder its name.

    Returns:
        Whether it is new.
    """
    if not target.exists():
        for path in incoming.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())  # what the file system could not store shows here
        incoming.rename(target)
        return True
    if not (target / MANIFEST).is_file() or sha256(target / MANIFEST) != sha256(incoming / MANIFEST):
        raise ProvisionError(
            f"{target} holds another model, which functions may be using: give the new one another name."
        )
    check(target, str(target))
    return False


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
