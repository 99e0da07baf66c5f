"""Seconds that the two tools take when there is nothing to do: `snakemake -n`, `dvc status`, `dvc repro`.

Run it in a checkout that is up to date (after `make reproduce`): python benchmarks/workflow.py
"""

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "snakemake -n": ["snakemake", "-n", "--quiet", "all"],
    "dvc status": ["dvc", "status", "--quiet"],
    "dvc repro": ["dvc", "repro", "--quiet"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each, after one that is not")
    runs = parser.parse_args().runs
    done = subprocess.run(["snakemake", "-n"], capture_output=True, text=True, check=False)
    if "Nothing to be done" not in done.stdout:
        sys.exit("error: there is something to do; run `snakemake --cores 2` first")
    for name, command in COMMANDS.items():
        seconds = []
        for _ in range(runs + 1):
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
        print(f"{name:14} median {statistics.median(seconds[1:]):.1f} s  (min {min(seconds[1:]):.1f}, max {max(seconds[1:]):.1f})")


if __name__ == "__main__":
    main()
