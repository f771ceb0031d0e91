"""What texts cost, for docs/decisions/limits.md: `.venv/bin/python -m tests.limits FOLDER [CHARACTERS]`.

FOLDER is a prepared model or a plain pipeline; each text has as many characters as its limit, or as given.
"""

import resource
import subprocess
import sys
import time

from burst_ner.opening import load

PROSE = "Ada Lovelace lived in London, and nobody knew why she had gone away from there so early in the year. "
TEXTS = {
    "prose": PROSE,
    "`a-a-a-`": "a-",
    "`a b c `": "a b c ",
    "`(((`": "(",
    "`===`": "=",
    "`___`": "_",
    "emoji in one run": "😀",
    "`user@:user@:`": "user@:",
    "one word": "x",
}


def measure(name: str, folder: str, characters: int | None) -> None:
    recognizer, _ = load(folder)
    recognizer.recognize(["Ada Lovelace wrote."], 60)
    before = _megabytes()
    size = characters or recognizer.limits["max_text_characters"]
    text = (TEXTS[name] * (size // len(TEXTS[name]) + 1))[:size]
    started = time.process_time()
    recognizer.recognize([text], 600)
    seconds = time.process_time() - started
    print(f"| {name:<16} | {len(text):>9,} | {seconds:>6.2f} | {before:>9.0f} | {_megabytes():>7.0f} |", flush=True)


def _megabytes() -> float:
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / (1024 if sys.platform == "linux" else 1024 * 1024)


if __name__ == "__main__":
    folder, *rest = sys.argv[1:]
    if rest and rest[0] in TEXTS:
        measure(rest[0], folder, int(rest[1]) if rest[1:] else None)
    else:
        print(f"| {'of':<16} | {'code pts':>9} | {'CPU s':>6} | {'MB before':>9} | {'peak MB':>7} |")
        for name in TEXTS:
            subprocess.run([sys.executable, "-m", "tests.limits", folder, name, *rest], check=True)
