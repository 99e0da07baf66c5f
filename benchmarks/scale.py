"""Growth of planning, a run and a no-op with the corpus: MELD's size and ten times that size.

In a temporary checkout of the last commit, with both tools: MELD's annotation files are generated
without clips, so that orchestration, tables and stores cost most. The corpus is prepared, and one
vector per word is looked up. Planning is the plan of everything in params/paper.yaml, whose shards
grow with the utterances.

    python benchmarks/scale.py --utterances 13708 137080
"""

import argparse
import csv
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import yaml
from sentences import WORDS

from merflow.corpora.labels import CLASSES

ROOT = Path(__file__).parents[1]
MELD = 13_708  # utterances, with the shards of params/paper.yaml
SHARES = {"train": 0.73, "dev": 0.08, "test": 0.19}
COLUMNS = [
    "Sr No.",
    "Utterance",
    "Speaker",
    "Emotion",
    "Sentiment",
    "Dialogue_ID",
    "Utterance_ID",
    "Season",
    "Episode",
    "StartTime",
    "EndTime",
]
STORE = "data/features/meld/glove.parquet"
STAGE = "extract_glove@meld-glove"


class Cost(NamedTuple):
    """Cost of a command and its children: seconds, CPU seconds, peak MiB of the largest process."""

    wall: float
    cpu: float
    peak: float
    printed: str

    def __str__(self) -> str:
        return f"{self.wall:.1f} s ({self.cpu:.1f} CPU)"


def run(folder: Path, *command: str) -> Cost:
    env = os.environ | {
        "PYTHONPATH": str(folder / "src"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    output = folder.with_suffix(".out")
    start = time.monotonic()
    with output.open("w") as file:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdout=file, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"error: {' '.join(command)} failed\n{output.read_text()[-2000:]}")
    return Cost(
        time.monotonic() - start,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        output.read_text(),
    )


def annotations(folder: Path, n: int) -> None:
    """MELD's three annotation files: dialogues of ten utterances of eight words on average."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for split, share in SHARES.items():
        with (folder / f"{split}_sent_emo.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for i in range(round(n * share)):
                text = " ".join(rng.choice(WORDS, rng.integers(1, 16)))
                times = [f"00:00:{second:02},000" for second in (i % 10, i % 10 + 3)]
                label = CLASSES["meld"][i % len(CLASSES["meld"])]
                writer.writerow(
                    [i + 1, text, "Joey", label, "neutral", i // 10, i % 10, 1, 1, *times]
                )


def checkout(folder: Path, scale: int, source: Path | None, shards: int | None = None) -> None:
    """Clone the last commit with the paper preset and `scale` times its shards.

    With `source`, word vectors of that corpus alone are asked for, in `shards` jobs.
    """
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    (folder / "dvc.lock").unlink()
    run(folder, "merflow", "params", "paper", "--force")
    params: dict[str, Any] = yaml.safe_load((folder / "params.yaml").read_text())
    params["run"]["shards"] = {
        corpus: scale * count for corpus, count in params["run"]["shards"].items()
    }
    if source:
        params["corpora"]["meld"]["source"] = str(source)
        params["run"]["shards"]["meld"] = shards or params["run"]["shards"]["meld"]
        params["run"]["corpora"] = ["meld"]
        params["checkpoints"]["glove"] = {"demo": "glove"}
        params["features"]["glove"]["dim"] = 50
        for name, block in params["run"].items():
            stages = block.values() if name in params["papers"] or name == "features" else []
            for stage in stages:
                if isinstance(stage, dict):
                    stage["corpora"] = []
        params["run"]["features"]["glove"]["corpora"] = ["meld"]
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--utterances", type=int, nargs="*", default=[MELD, 10 * MELD])
    parser.add_argument("--cores", default="2")
    parser.add_argument("--shards", type=int, help="jobs that look words up; default: as planned")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at the start")
    for n in arguments.utterances:
        scale = max(1, round(n / MELD))
        with TemporaryDirectory() as scratch:
            source, everything = Path(scratch) / "source", Path(scratch) / "everything"
            annotations(source, n)
            checkout(everything, scale, None)
            # the first plan reads all modules from a cold disk
            first, plan = (run(everything, "snakemake", "-n") for _ in range(2))
            jobs = re.search(r"^total\s+(\d+)", plan.printed, re.MULTILINE)
            planning = f"{plan}, the first time {first}, peak {plan.peak:.0f} MiB"
            lines = [("planning", f"{planning}, {jobs[1] if jobs else '?'} jobs")]
            cores = ["--cores", arguments.cores]
            tools = {
                "Snakemake": (
                    ["snakemake", *cores, "--", STORE],
                    ["snakemake", "-n", "--", STORE],
                ),
                "DVC": (["dvc", "repro", STAGE], ["dvc", "status", STAGE]),
            }
            for tool, (act, idle) in tools.items():
                folder = Path(scratch) / tool
                checkout(folder, scale, source, arguments.shards)
                made = run(folder, *act)
                size = (folder / STORE).stat().st_size / 1e6
                each = f"{1000 * made.cpu / n:.2f} CPU ms an utterance"
                memory = f"peak {made.peak:.0f} MiB, store {size:.0f} MB"
                lines.append((tool, f"{made}, {each}, {memory}"))
                nothing = run(folder, *idle)
                assert re.search("Nothing to be done|up to date", nothing.printed), nothing.printed
                lines.append((f"{tool}, nothing to do", str(nothing)))
        print(f"\n{n:,} utterances, {scale} x the shards of params/paper.yaml")
        for name, figures in lines:
            print(f"  {name}: {figures}", flush=True)


if __name__ == "__main__":
    main()
