"""A feature store against one pickle file per utterance: a full scan, and 32 random utterances.

Both hold the same arrays, warm in the file cache, and take turns:

    python benchmarks/store.py --utterances 5000
"""

import argparse
import pickle
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from merflow.store import read_features, scan_features, write_features


def timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--utterances", type=int, default=5000)
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()

    rng = np.random.default_rng(1)
    arrays = {
        f"u{i:06}": rng.normal(size=(rng.integers(2, 20), arguments.dim)).astype(np.float32)
        for i in range(arguments.utterances)
    }
    megabytes = sum(array.nbytes for array in arrays.values()) / 1e6
    some = [str(name) for name in rng.choice(list(arrays), 32, replace=False)]
    with TemporaryDirectory() as folder:
        store = Path(folder) / "store.parquet"
        pickles = {name: Path(folder) / f"{name}.pkl" for name in arrays}
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        write = timed(lambda: write_features(store, arrays.items(), {}))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        for name, path in pickles.items():
            path.write_bytes(pickle.dumps(arrays[name]))
        read = lambda names: [pickle.loads(pickles[name].read_bytes()) for name in names]
        acts = {
            "scan": (lambda: scan_features(store), lambda: np.concatenate(read(arrays))),
            "32 random": (lambda: read_features(store, some), lambda: read(some)),
        }
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in acts}
        for _ in range(arguments.rounds):
            for name, (ours, theirs) in acts.items():
                seconds[name].append((timed(ours), timed(theirs)))
    print(
        f"{arguments.utterances} utterances, {megabytes:.0f} MB; written in {write:.2f} s, "
        f"peak memory grew by {grown:.0f} MiB meanwhile"
    )
    for name, pairs in seconds.items():
        ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
        print(
            f"{name:10} store {ours * 1e3:7.1f} ms   pickles {theirs * 1e3:7.1f} ms   "
            f"ratio {theirs / ours:6.2f}   (medians of {len(pairs)})"
        )


if __name__ == "__main__":
    main()
