"""Side by side with what people use today: the same clips and the same sequences, on one machine, in one run.

Needs the demo's MELD (`snakemake --cores 2 -- data/corpora/meld/utterances.parquet data/checkpoints/bert/SOURCE.json`), whose archive has
broken and absent clips planted, and an environment with the peers (requirements.txt). Each job runs twice, alone, with one thread and one
worker; the better time counts, and the two outputs are compared byte by byte. Memory is the peak of the largest process of a job.

    OMP_NUM_THREADS=1 python benchmarks/peers/compare.py --peers peers/bin/python --scratch /tmp/peers
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
WORDS, DIMS = 20, {"language": 300, "acoustic": 74, "visual": 35}


def clips(path: Path) -> int:
    """Write utterance_id, split, text, path (also of clips that cannot be read; empty: absent) of the demo's MELD; how many."""
    found = pd.read_parquet("data/corpora/meld/utterances.parquet")[
        ["utterance_id", "official_split", "text"]
    ]
    found = found.rename(columns={"official_split": "split"})
    names = [
        Path("data/raw/meld/MELD.Raw").resolve() / LAYOUT[split][1] / f"{key.partition('_')[2]}.mp4"
        for key, split in zip(found["utterance_id"], found["split"], strict=True)
    ]
    found["path"] = [str(name) if name.exists() else "" for name in names]
    found.to_csv(path, index=False)
    return len(found)


def sequences(path: Path) -> None:
    """Write aligned sequences (N, 20, dim) of three modalities with a faint signal of a binary label."""
    rng = np.random.default_rng(1)
    arrays = {}
    for part, n in (("train", 1280), ("valid", 256), ("test", 512)):
        arrays[f"{part}_labels"] = labels = rng.integers(0, 2, n)
        for name, dim in DIMS.items():
            values = rng.normal(size=(n, WORDS, dim)).astype(np.float32)
            values[..., :5] += 0.25 * (2 * labels[:, None, None] - 1)
            arrays[f"{part}_{name}"] = values
    np.savez(path, **arrays)


def measured(command: list[str | Path], scratch: Path) -> dict[str, Any]:
    """Run a job; its last line of output, with seconds and MiB, or the last line of what it complained of."""
    with (
        (scratch / "out.txt").open("w+", encoding="utf-8") as out,
        (scratch / "err.txt").open("w+", encoding="utf-8") as err,
    ):
        start = time.perf_counter()
        job = subprocess.Popen(
            [*map(str, command)], stdout=out, stderr=err, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        _, status, usage = os.wait4(
            job.pid, 0
        )  # of the largest of the job and what it started and waited for
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
    scratch, peers, me = (
        arguments.scratch.resolve(),
        arguments.peers.absolute(),
        Path(sys.executable),
    )
    scratch.mkdir(parents=True, exist_ok=True)
    count = clips(scratch / "clips.csv")
    sequences(scratch / "sequences.npz")
    bert = Path("data/checkpoints/bert").resolve()
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    sizes = [
        str(size)
        for size in (
            params["features"]["mel"]["hop_length"],
            params["features"]["mel"]["n_mels"],
            params["media"]["short_side"],
        )
    ]
    jobs = {
        ("sound and text", "MMSA-FET"): [
            peers,
            HERE / "fet.py",
            scratch / "clips.csv",
            bert,
            scratch / "fet",
        ],
        ("sound and text", "merflow"): [
            me,
            HERE / "ours.py",
            scratch / "ours",
            "compare_2016",
            "bert",
        ],
        ("sound only", "MMSA-FET"): [
            peers,
            HERE / "fet.py",
            scratch / "clips.csv",
            bert,
            scratch / "fet",
            "--sound-only",
        ],
        ("Mel and pictures", "librosa + cv2"): [
            peers,
            HERE / "plain.py",
            scratch / "clips.csv",
            scratch / "plain",
            *sizes,
        ],
        ("Mel and pictures", "merflow"): [me, HERE / "ours.py", scratch / "ours", "mel"],
    }
    for theirs, ours in (("ef_lstm", "early_fusion"), ("tfn", "tensor_fusion")):
        epochs = str(arguments.epochs)
        jobs[ours, "MMSA"] = [
            peers,
            HERE / "train_theirs.py",
            theirs,
            scratch / "sequences.npz",
            epochs,
            scratch / "mmsa",
        ]
        jobs[ours, "merflow"] = [
            me,
            HERE / "train_ours.py",
            ours,
            scratch / "sequences.npz",
            epochs,
            scratch / "loop",
        ]
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {count} utterances of the demo's MELD"
    )
    print(
        "| work | who | seconds | MiB | done | not done | same twice | accuracy |\n|---|---|---|---|---|---|---|---|"
    )
    for (work, who), command in jobs.items():
        if arguments.only not in (None, work):
            continue
        found = [measured(command, scratch) for _ in range(2)]
        if error := found[0].get("error"):
            print(f"| {work} | {who} | fails: {error} |||||||", flush=True)
            continue
        seconds = min(one.get("epoch_s", one["s"]) for one in found)
        row = [
            work,
            who,
            f"{seconds:.2f}{' an epoch' if 'epoch_s' in found[0] else ''}",
            f"{max(one['mib'] for one in found):.0f}",
        ]
        failed = found[0].get("failed", [])
        row += [
            str(found[0].get("done", "")),
            ": ".join([str(len(failed)), *([", ".join(failed)] if 0 < len(failed) < 5 else [])]),
        ]
        row += [
            "yes" if found[0]["digest"] == found[1]["digest"] else "no",
            f"{100 * found[0]['accuracy']:.1f} %" if "accuracy" in found[0] else "",
        ]
        print(f"| {' | '.join(row)} |", flush=True)
        if "entry" in found[0]:
            print(f"  MMSA_run here: {found[0]['entry']}", flush=True)


if __name__ == "__main__":
    main()
