"""Seconds and megabytes per demo corpus: ``python benchmarks/demo_corpora.py [corpus ...]``."""

import os
import sys
import tempfile
import time
from pathlib import Path

from merflow.corpora.demo import MAKERS, make


def main(corpora: list[str]) -> None:
    print(f"{'corpus':10}{'wall s':>9}{'CPU s':>9}{'MB':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for corpus in corpora:
            started, before = time.monotonic(), os.times()
            sources = make(corpus, Path(folder) / corpus)
            cpu = sum(os.times()[:4]) - sum(before[:4])  # with children
            size = sum(source.size or 0 for source in sources) / 1e6
            print(f"{corpus:10}{time.monotonic() - started:9.1f}{cpu:9.1f}{size:9.1f}")


if __name__ == "__main__":
    main(sys.argv[1:] or list(MAKERS))
