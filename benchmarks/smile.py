"""Seconds of our openSMILE extractor in two processes against the package's own two workers.

Ours runs two shards, as the workflow does, and writes two stores. The package's calls are
``process_files`` of one `opensmile.Smile` with two threads and with two processes, which return a
table of the same files. All take turns, so that other load on the machine meets all. Target: at
most 1.1 times the package's faster way.

    OMP_NUM_THREADS=1 MERFLOW_REAL_DATA=... python benchmarks/smile.py --clips 60

Without MERFLOW_REAL_DATA (its folder ravdess) the clips are noise of 3 to 5 s.
"""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import opensmile
import soundfile

from merflow.features.audio import smile
from merflow.params import SmileParams
from merflow.store import read_features, write_features

WORKERS = 2


def noise(folder: Path, n: int) -> list[str]:
    rng = np.random.default_rng(0)
    for i in range(n):
        soundfile.write(
            folder / f"{i:03}.flac", rng.normal(0, 0.1, rng.integers(48_000, 80_000)), 16_000
        )
    return sorted(str(path) for path in folder.glob("*.flac"))


def shard(files: list[str], params: SmileParams, out: Path) -> None:
    sounds = ([soundfile.read(file, dtype="float32")[0]] for file in files)
    write_features(out, zip(files, smile.extract(sounds, params, None), strict=True), {})


def ours(files: list[str], params: SmileParams, folder: Path) -> None:
    half = len(files) // WORKERS
    jobs = [
        multiprocessing.Process(target=shard, args=(share, params, folder / f"{k}.parquet"))
        for k, share in enumerate((files[:half], files[half:]))
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()


def package(files: list[str], params: SmileParams, processes: bool) -> np.ndarray:
    levels = smile.SETS[params.feature_set], smile.LEVELS[params.level]
    return (
        opensmile.Smile(*levels, num_workers=WORKERS, multiprocessing=processes)
        .process_files(files)
        .to_numpy()
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--feature-set", choices=smile.SETS, default="IS13_ComParE")
    arguments = parser.parse_args()
    params = SmileParams(feature_set=arguments.feature_set, level="functionals")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        real = sorted(
            Path(os.environ.get("MERFLOW_REAL_DATA", "absent"), "ravdess").glob("*.flac")
        )[: arguments.clips]
        files = [str(path) for path in real] or noise(folder, arguments.clips)
        ways = {
            "merflow": lambda: ours(files, params, folder),
            "opensmile, 2 threads": lambda: package(files, params, processes=False),
            "opensmile, 2 processes": lambda: package(files, params, processes=True),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(arguments.rounds):
            for name, way in ways.items():
                start = time.perf_counter()
                values = way()
                seconds[name].append(time.perf_counter() - start)
        stores = [read_features(folder / f"{k}.parquet") for k in range(WORKERS)]
        stored = [array for arrays in stores for array in arrays.values()]
        assert np.array_equal(np.concatenate(stored), values), "not the package's values"
    for name, times in seconds.items():
        each = ", ".join(f"{time_s:.2f}" for time_s in times)
        print(f"{name:22} {statistics.median(times):6.2f} s, median of {each}")
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    ratio = medians.pop("merflow") / min(medians.values())
    clips = f"{len(files)} {'RAVDESS clips' if real else 'noises'}"
    print(f"ratio                  {ratio:6.2f} of the package's faster way; {clips}")


if __name__ == "__main__":
    main()
