"""Seconds to read word vectors of a corpus' words from a text file, against gensim and a bare read.

The file is made, in GloVe's form (no header). Gensim cannot select words and keeps all. Each way
runs in a process of its own, in turns, so that other load on the machine meets all and the peak of
memory is its own. Imports are not timed. Gensim takes a minute a round for 200,000 words.

    OMP_NUM_THREADS=1 python benchmarks/word_vectors.py --words 200000
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

DIM = 300


def made(path: Path, words: int) -> None:
    """Numbers as GloVe prints them; rows repeat after 1000 words."""
    rows = [
        " ".join(f"{value:.5g}" for value in row)
        for row in np.random.default_rng(0).normal(0, 0.4, (1000, DIM))
    ]
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"word{number} {rows[number % 1000]}\n" for number in range(words))


def floor(path: Path, words: list[str]) -> Callable[[], int]:
    def read() -> int:
        with path.open("rb") as file:
            return sum(len(chunk) for chunk in iter(lambda: file.read(2**22), b""))

    return read


def merflow(path: Path, words: list[str]) -> Callable[[], int]:
    from merflow.features.text.vector_files import read_vectors

    return lambda: len(read_vectors(path.parent, words, DIM))


def gensim(path: Path, words: list[str]) -> Callable[[], int]:
    from gensim.models import KeyedVectors

    def read() -> int:
        vectors = KeyedVectors.load_word2vec_format(path, no_header=True)
        return len([word for word in words if word in vectors])

    return read


WAYS = {"floor": floor, "merflow": merflow, "gensim": gensim}


def measure(way: str, path: Path, words: list[str]) -> tuple[float, float, int]:
    read = WAYS[way](path, words)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    count = read()
    seconds = time.perf_counter() - start
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, count


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--words", type=int, default=40_000)
    parser.add_argument("--kept", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    results: dict[str, list[tuple[float, float, int]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.txt"
        made(path, arguments.words)
        numbers = np.linspace(0, arguments.words - 1, arguments.kept, dtype=int)
        kept = [f"word{number}" for number in numbers]
        size = path.stat().st_size / 1e6
        for _ in range(arguments.rounds):
            for way in WAYS:
                with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                    results[way].append(pool.submit(measure, way, path, kept).result())
    print(f"{arguments.words} words of {DIM} numbers, {size:.0f} MB, {arguments.kept} of them kept")
    times = {way: [time_s for time_s, _, _ in rounds] for way, rounds in results.items()}
    seconds = {way: statistics.median(each) for way, each in times.items()}
    for way, rounds in results.items():
        listed = ", ".join(f"{time_s:.2f}" for time_s in times[way])
        peak = max(grown for _, grown, _ in rounds)
        speed = f"{seconds[way]:6.2f} s, {size / seconds[way]:5.0f} MB/s"
        print(f"{way:8} {speed}, {peak:5.0f} MiB more at the peak (all: {listed} s)")
    faster, longer = seconds["gensim"] / seconds["merflow"], seconds["merflow"] / seconds["floor"]
    print(f"ratio    {faster:.1f} times gensim's speed, {longer:.1f} times the floor's time")


if __name__ == "__main__":
    main()
