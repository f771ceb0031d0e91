"""The secret by which the function knows its gateway."""

import hashlib
import hmac
import re

from .errors import SetupError


class Origin:
    """Compares the secret that a request carries with the digests of those that are good."""

    def __init__(self, setting: str = "") -> None:
        """
        Args:
            setting: the value of ORIGIN_SECRET_SHA256: SHA-256 digests as hex, separated by commas, several while a
                secret is rotated. Empty: no check.

        Raises:
            SetupError: an entry is no such digest, and would lock everybody out.
        """
        self._digests = [entry.strip().lower() for entry in setting.split(",") if entry.strip()]
        if not all(re.fullmatch("[0-9a-f]{64}", digest) for digest in self._digests):
            raise SetupError(
                "ORIGIN_SECRET_SHA256 has an entry that is not a SHA-256 digest of 64 hex digits; "
                "give the digests of the origin secrets, separated by commas."
            )

    def admits(self, secret: str) -> bool:
        """Whether a request with this secret comes from the gateway; takes as long for any secret of that length."""
        sent = hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
        # All are compared, so that the time does not tell which one matched.
        matches = [hmac.compare_digest(sent, digest) for digest in self._digests]
        return any(matches) or not self._digests
