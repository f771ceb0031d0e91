"""Real English with names in it: the collections of Debian's packages fortunes and fortunes-min."""

from pathlib import Path

from function import BenchError

FOLDER = Path("/usr/share/games/fortunes")
#: Collections of running prose, without pictures, verse or code.
PROSE = (
    *("computers", "cookie", "definitions", "education", "food", "humorists", "kids", "law", "literature", "love"),
    *("medicine", "men-women", "people", "platitudes", "politics", "science", "sports", "wisdom", "work"),
)


def fortunes(*collections: str) -> list[str]:
    """The documents of these collections, or of all.

    Raises:
        BenchError: the packages are not installed.
    """
    if not all((FOLDER / name).is_file() for name in PROSE):
        raise BenchError(
            f"The documents to compare entities on are missing ({FOLDER}); install Debian's packages fortunes and "
            "fortunes-min: apt install fortunes fortunes-min"
        )
    # Beside each collection are its index (.dat) and a link to it (.u8).
    paths = [FOLDER / name for name in collections] or [path for path in FOLDER.iterdir() if not path.suffix]
    texts = [text for path in sorted(paths) for text in path.read_text(encoding="utf-8").split("\n%\n")]
    return [text for text in texts if text.strip()]
