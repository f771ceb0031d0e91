"""S3, as the batch worker uses it: objects are read in blocks and written whole, each once."""

from collections.abc import Iterator
from typing import BinaryIO

from .errors import PartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from botocore.client import BaseClient

#: Bytes that are asked for at once. Read slowly, one long answer would be ended by S3 half way.
BLOCK = 2 * 1024 * 1024

_DENIED = "is not readable or not writable for the worker; name its prefix in the variable `batch` of infra"
#: By S3's code; an answer without a body, to a question for metadata, has the HTTP status in its place.
_ADVICE = {
    "AccessDenied": _DENIED,
    "403": _DENIED,
    "InvalidObjectState": "is archived; restore it from its storage class first",
    "NoSuchBucket": "is in no bucket that there is; check its name",
    "NoSuchKey": "is gone; plan again",
    "404": "is gone; plan again",
    "PreconditionFailed": "is not what it was when it was planned; plan again",
    "InvalidRange": "is shorter than when it was planned; plan again",
}


class Storage:
    """Buckets of one account.

    What only a person can mend is a PartError. Everything else is tried again by the client, with back-off and jitter,
    and then raised as botocore has it.
    """

    def __init__(self, client: "BaseClient") -> None:
        self._client = client

    def blocks(self, bucket: str, key: str, etag: str, start: int, size: int) -> Iterator[bytes]:
        """The bytes of an object from `start` to its end at `size`, BLOCK at a time, of this version alone."""
        for at in range(start, size, BLOCK):
            yield self._block(bucket, key, f"bytes={at}-{min(at + BLOCK, size) - 1}", etag)

    def _block(self, bucket: str, key: str, asked: str, etag: str, attempts: int = 3) -> bytes:
        from botocore.exceptions import BotoCoreError

        try:
            return self._call("get_object", bucket, key, Range=asked, IfMatch=etag)["Body"].read()
        except BotoCoreError:  # the connection ended within the answer: the client itself repeats questions alone
            if attempts == 1:
                raise
        return self._block(bucket, key, asked, etag, attempts - 1)

    def find(self, bucket: str, key: str) -> dict[str, str] | None:
        """What was told of an object when it was written; None when it is not there."""
        # Asked for by name, an object that is not there is only told to those who may list the whole bucket.
        listed = self._call("list_objects_v2", bucket, None, Prefix=key, MaxKeys=1)
        if [entry["Key"] for entry in listed.get("Contents", ())] != [key]:
            return None
        return self._call("head_object", bucket, key)["Metadata"]

    def write(self, bucket: str, key: str, body: BinaryIO, metadata: dict[str, str]) -> bool:
        """Writes an object, unless there is one of this name. Returns whether it was written."""
        from botocore.exceptions import ClientError

        try:
            self._client.put_object(
                Bucket=bucket,
                Key=key,
                Body=body,
                Metadata=metadata,
                IfNoneMatch="*",
                ContentType="application/x-ndjson",
            )
        except ClientError as error:
            # 409: another one is being written at this moment; whether it succeeds, the next attempt sees.
            if _code(error) == "PreconditionFailed":
                return False
            raise _explained(error, bucket, key) from error
        return True

    def _call(self, name: str, bucket: str, key: str | None, **more: object) -> dict:
        from botocore.exceptions import ClientError

        if key is not None:
            more["Key"] = key
        try:
            return getattr(self._client, name)(Bucket=bucket, **more)
        except ClientError as error:
            raise _explained(error, bucket, key) from error


def open_storage() -> Storage:
    """With the credentials and the region that Lambda gives. The library is part of Lambda's Python."""
    import botocore.session
    from botocore.config import Config

    config = Config(retries={"mode": "standard", "max_attempts": 6}, connect_timeout=5, read_timeout=30)
    return Storage(botocore.session.get_session().create_client("s3", config=config))


def _code(error: Exception) -> str:
    return error.response["Error"]["Code"]


def _explained(error: Exception, bucket: str, key: str | None) -> Exception:
    advice = _ADVICE.get(_code(error))
    return PartError(f"s3://{bucket}/{key or ''} {advice}.") if advice else error
