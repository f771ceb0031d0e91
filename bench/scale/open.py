"""`python open.py MODEL`: milliseconds to open a model that is in the page cache; bytes a character of a long text."""

import resource
import sys
import time

from burst_ner import load

LONG = 1_000_000


def peak() -> int:
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024


def main() -> None:
    ner = load(sys.argv[1])
    started = time.perf_counter()
    load(sys.argv[1])
    print((time.perf_counter() - started) * 1000)
    sentence = "Angela Merkel visited Paris, and nobody said a word about it. "
    ner([sentence])
    before = peak()
    ner([(sentence * (LONG // len(sentence) + 1))[:LONG]])
    print((peak() - before) / LONG)


if __name__ == "__main__":
    main()
