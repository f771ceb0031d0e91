"""Real texts with names in them, of Debian's packages."""

import html
import random
import re
from pathlib import Path

from debian import unpacked

#: English collections of running prose, without pictures, verse or code.
PROSE = (
    *("computers", "cookie", "definitions", "education", "food", "humorists", "kids", "law", "literature", "love"),
    *("medicine", "men-women", "people", "platitudes", "politics", "science", "sports", "wisdom", "work"),
)
_FORTUNES = {"en": (("fortunes", "fortunes-min"), "."), "es": (("fortunes-es",), "es"), "cs": (("fortunes-cs",), "cs")}
_FRENCH = {
    "debian-handbook": "doc/debian-handbook/html/fr-FR/*.html",
    "debian-reference-fr": "debian-reference/*.fr.html",
    "debian-faq-fr": "doc/debian/FAQ/fr/*.fr.html",
    "debian-history": "doc/debian-history/docs/*.fr.html",
    "aptitude-doc-fr": "doc/aptitude/html/fr/*.html",
    "developers-reference-fr": "developers-reference/fr/*.html",
    "installation-guide-amd64": "doc/installation-guide-amd64/fr/*.html",
}


def documents(language: str, most: int) -> list[str]:
    """At most so many documents of `en`, `es`, `cs` (collections of quotations) or `fr` (books), always the same."""
    texts = _french() if language == "fr" else fortunes(language=language)
    return random.Random(0).sample(texts, min(most, len(texts)))


def fortunes(*collections: str, language: str = "en") -> list[str]:
    """The documents of these collections, or of all.

    Raises:
        BenchError: the packages cannot be had.
    """
    packages, folder = _FORTUNES[language]
    folder = unpacked(*packages) / "usr/share/games/fortunes" / folder
    # Beside each collection are its index (.dat) and a link to it (.u8).
    paths = [folder / name for name in collections] or [
        path for path in folder.iterdir() if path.is_file() and path.suffix in ("", ".fortunes")
    ]
    return [text for path in sorted(paths) for text in _read(path).split("\n%\n") if text.strip()]


def _french() -> list[str]:
    """The paragraphs of Debian's books."""
    share = unpacked(*_FRENCH) / "usr/share"
    pages = [_read(path) for pattern in _FRENCH.values() for path in sorted(share.glob(pattern))]
    marked = re.compile(r"<(?:p|dd|dt|li)\b[^>]*>(.*?)</?(?:p|dd|dt|li|div|ul|pre|table)\b", re.S)
    found = (re.sub("<[^>]+>", "", text) for page in pages for text in marked.findall(page))
    texts = (" ".join(html.unescape(text).split()) for text in found)
    return list(dict.fromkeys(text for text in texts if text.count(" ") > 4))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
