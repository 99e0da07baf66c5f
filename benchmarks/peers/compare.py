"""Comparison with tools of today: the same clips and the same sequences, in one run.

Needs the demo's MELD, whose archive has broken and absent clips planted, and an environment with
the peers (requirements.txt). Each job runs twice, alone, with one thread and one worker. The better
time counts, and the two outputs are compared byte by byte. Memory is the peak of the largest
process of a job.

    snakemake --cores 2 -- data/corpora/meld/utterances.parquet data/checkpoints/bert/SOURCE.json
    export OMP_NUM_THREADS=1
    python benchmarks/peers/compare.py --peers peers/bin/python --scratch /tmp/peers
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from merflow.corpora.meld import LAYOUT

HERE = Path(__file__).parent
COLUMNS = ("work", "who", "seconds", "MiB", "done", "not done", "same twice", "accuracy")
WORDS, DIMS = 20, {"language": 300, "acoustic": 74, "visual": 35}


def clips(path: Path) -> int:
    """Write utterance_id, split, text and path of the demo's MELD; return the number of utterances.

    An absent clip has an empty path, an unreadable clip its own.
    """
    columns = ["utterance_id", "official_split", "text"]
    rows = pd.read_parquet("data/corpora/meld/utterances.parquet")[columns]
    rows = rows.rename(columns={"official_split": "split"})
    raw = Path("data/raw/meld/MELD.Raw").resolve()
    clips = [
        raw / LAYOUT[split][1] / f"{key.partition('_')[2]}.mp4"
        for key, split in zip(rows["utterance_id"], rows["split"], strict=True)
    ]
    rows["path"] = [str(clip) if clip.exists() else "" for clip in clips]
    rows.to_csv(path, index=False)
    return len(rows)


def sequences(path: Path) -> None:
    """Write aligned sequences (N, 20, dim) of three modalities with a faint signal of the label."""
    rng = np.random.default_rng(1)
    arrays = {}
    for split, n in (("train", 1280), ("valid", 256), ("test", 512)):
        arrays[f"{split}_labels"] = labels = rng.integers(0, 2, n)
        for name, dim in DIMS.items():
            values = rng.normal(size=(n, WORDS, dim)).astype(np.float32)
            values[..., :5] += 0.25 * (2 * labels[:, None, None] - 1)
            arrays[f"{split}_{name}"] = values
    np.savez(path, **arrays)


def measured(command: list[str | Path], scratch: Path) -> dict[str, Any]:
    """Run a job; return its last line of output or of its errors, with seconds and MiB."""
    with (
        (scratch / "out.txt").open("w+", encoding="utf-8") as out,
        (scratch / "err.txt").open("w+", encoding="utf-8") as err,
    ):
        start = time.perf_counter()
        job = subprocess.Popen(
            [*map(str, command)], stdout=out, stderr=err, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        _, status, usage = os.wait4(job.pid, 0)  # peak of its largest process
        spent = {"s": time.perf_counter() - start, "mib": usage.ru_maxrss / 1024}
        out.seek(0), err.seek(0)
        if status:
            return spent | {"error": (err.read().strip().splitlines() or ["no message"])[-1]}
        return json.loads(out.read().strip().splitlines()[-1]) | spent


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--peers", type=Path, required=True, help="python of the environment with the peers"
    )
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--only", help="name of the work, as in the table")
    arguments = parser.parse_args()
    scratch, peers = arguments.scratch.resolve(), arguments.peers.absolute()
    scratch.mkdir(parents=True, exist_ok=True)
    count = clips(scratch / "clips.csv")
    sequences(scratch / "sequences.npz")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
        f"{count} utterances of the demo's MELD"
    )
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    for (work, tool), command in jobs(scratch, peers, str(arguments.epochs)).items():
        if arguments.only in (None, work):
            first, second = (measured(command, scratch) for _ in range(2))
            print(line(work, tool, first, second), flush=True)
            if "entry" in first:
                print(f"  MMSA_run here: {first['entry']}", flush=True)


def jobs(scratch: Path, peers: Path, epochs: str) -> dict[tuple[str, str], list[str | Path]]:
    """Commands by work and tool."""
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    mel, side = params["features"]["mel"], params["media"]["short_side"]
    sizes = [str(size) for size in (mel["hop_length"], mel["n_mels"], side)]
    table, arrays = scratch / "clips.csv", scratch / "sequences.npz"
    fet = [peers, HERE / "fet.py", table, Path("data/checkpoints/bert").resolve(), scratch / "fet"]
    ours = [Path(sys.executable), HERE / "ours.py", scratch / "ours"]
    plain = [peers, HERE / "plain.py", table, scratch / "plain", *sizes]
    commands: dict[tuple[str, str], list[str | Path]] = {
        ("sound and text", "MMSA-FET"): fet,
        ("sound and text", "merflow"): [*ours, "compare_2016", "bert"],
        ("sound only", "MMSA-FET"): [*fet, "--sound-only"],
        ("Mel and pictures", "librosa + cv2"): plain,
        ("Mel and pictures", "merflow"): [*ours, "mel"],
    }
    theirs = [peers, HERE / "train_theirs.py"]
    loop = [Path(sys.executable), HERE / "train_ours.py"]
    for network, system in (("ef_lstm", "early_fusion"), ("tfn", "tensor_fusion")):
        commands[system, "MMSA"] = [*theirs, network, arrays, epochs, scratch / "mmsa"]
        commands[system, "merflow"] = [*loop, system, arrays, epochs, scratch / "loop"]
    return commands


def line(work: str, tool: str, first: dict[str, Any], second: dict[str, Any]) -> str:
    """Row of the table, from two runs of a job."""
    if error := first.get("error"):
        return f"| {work} | {tool} | fails: {error} |||||||"
    seconds = min(run.get("epoch_s", run["s"]) for run in (first, second))
    failed = first.get("failed", [])
    cells = [
        f"{seconds:.2f}{' an epoch' if 'epoch_s' in first else ''}",
        f"{max(first['mib'], second['mib']):.0f}",
        str(first.get("done", "")),
        f"{len(failed)}: {', '.join(failed)}" if 0 < len(failed) < 5 else str(len(failed)),
        "yes" if first["digest"] == second["digest"] else "no",
        f"{100 * first['accuracy']:.1f} %" if "accuracy" in first else "",
    ]
    return f"| {' | '.join([work, tool, *cells])} |"


if __name__ == "__main__":
    main()
