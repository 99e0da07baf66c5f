"""Seconds of the daily loop: nothing to do, or one changed parameter of a fusion, with both tools.

Run it in a checkout that is up to date (after `make reproduce`): python benchmarks/workflow.py
It changes params.yaml and, at the end, puts it and the artifacts back.
"""

import argparse
import re
import statistics
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

NOTHING = {
    "snakemake -n": ["snakemake", "-n", "--quiet", "all"],
    "dvc status": ["dvc", "status", "--quiet"],
    "dvc repro": ["dvc", "repro", "--quiet"],
}
CHANGED = {
    "changed, dvc repro": ["dvc", "repro"],
    "changed, snakemake": ["snakemake", "--cores", "2"],
}
PARAMS, STEP = Path("params.yaml"), re.compile(r"(late_weighted: \{weights: dev, step: )[0-9.]+")


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def show(name: str, times: list[float]) -> None:
    spread = f"(min {min(times):.1f}, max {max(times):.1f})"
    print(f"{name:20} median {statistics.median(times):.1f} s  {spread}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--runs", type=int, default=3, help="counted runs of each, after one that is not"
    )
    parser.add_argument(
        "--nothing", action="store_true", help="only with nothing to do; changes nothing"
    )
    arguments = parser.parse_args()
    done = subprocess.run(["snakemake", "-n"], capture_output=True, text=True, check=False)
    if "Nothing to be done" not in done.stdout:
        sys.exit("error: there is something to do; run `snakemake --cores 2` first")
    for name, command in NOTHING.items():
        show(name, [seconds(command) for _ in range(arguments.runs + 1)][1:])
    if arguments.nothing:
        return
    text = PARAMS.read_text(encoding="utf-8")
    # values that are not in DVC's run cache
    new = (f"0.{digits}" for digits in count(int(time.time()) % 10_000 + 10_001))
    for name, command in CHANGED.items():
        times = []
        for _ in range(arguments.runs):
            changed = STEP.sub(lambda match: match[1] + next(new), text, count=1)
            PARAMS.write_text(changed, encoding="utf-8")
            times.append(seconds(command))
        show(name, times)
    PARAMS.write_text(text, encoding="utf-8")
    subprocess.run(["snakemake", "--cores", "2"], check=True, capture_output=True)


if __name__ == "__main__":
    main()
