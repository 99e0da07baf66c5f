"""One job in several processes, started by PyTorch's own launcher as docs/cluster.md says: the same result as in one.

By hand, and by the job itself where it is given several GPUs; their names are enough, the processes compute on the CPU.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace

import numpy as np
import pytest
from support.tiny_systems import SPEECH_SYSTEM, TEXT_SYSTEM

from merflow import artifacts
from merflow.errors import ParamsError
from merflow.params import TrainingParams
from merflow.store import read_table
from merflow.training import loop, run
from merflow.training.batches import Examples
from merflow.training.job import Job
from merflow.training.objectives import SingleLabel

TORCHRUN = [
    str(Path(sys.executable).with_name("torchrun")),
    "--standalone",
    "--nproc-per-node",
    "2",
    "--no-python",
    "--",
]


def in_two_processes(job: Job, out: Path, by_hand: bool) -> None:
    """`merflow train`, as the rule calls it: behind the launcher, or with two GPUs."""
    block = f"papers.{job.paper}"
    values = {
        f"{block}.systems.{job.system}": job.settings,
        f"{block}.protocols.{job.protocol}": job.how,
        f"{block}.features": job.features,
    }
    values |= {
        "training": {"precision": job.precision},
        f"{block}.keep_weights": job.keep_weights,
        "code": job.code,
    }
    command = [
        *(TORCHRUN if by_hand else []),
        str(Path(sys.executable).with_name("merflow")),
        "--log",
        f"{out}.log",
        "train",
    ]
    command += [
        job.paper,
        job.system,
        job.corpus,
        job.protocol,
        "--params",
        json.dumps(values),
        "--part",
        "0",
        "--parts",
        "1",
    ]
    command += [word for path in job.inputs for word in ("--inputs", str(path))] + [
        "--out",
        str(out),
    ]
    command += [] if by_hand else ["--gpus", "2"]
    env = {
        key: value for key, value in os.environ.items() if key not in ("SLURM_JOB_ID", "LOCAL_RANK")
    }
    env |= {
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "" if by_hand else "none-a,none-b",
        "TMPDIR": str(out.parent),
    }
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr


def made(out: Path) -> tuple[dict, np.ndarray]:
    """run.json of the one run, and the probabilities of dev and test (60, K)."""
    (folder,) = out.iterdir()
    rows = read_table(folder / "predictions.parquet", artifacts.PREDICTIONS)
    assert (folder / "weights" / "0-1.safetensors").exists()
    return json.loads((folder / "run.json").read_text()), np.stack(rows["probabilities"])


@pytest.fixture
def without_dropout(checkpoint, tmp_path) -> Path:
    """The checkpoint's marker. Processes draw from generators of their own, so dropout would differ."""
    folder = Path(copytree(checkpoint, tmp_path / "checkpoints" / "bert"))
    config = json.loads((folder / "config.json").read_text())
    dropouts = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    assert dropouts.keys() <= config.keys()
    (folder / "config.json").write_text(json.dumps(config | dropouts))
    return folder / "SOURCE.json"


@pytest.mark.parametrize("speech", [True, False], ids=["features", "fine-tuning"])
def test_two_processes_train_the_same_network_as_one(job, tmp_path, without_dropout, speech):
    asked = job(speech=True, settings=SPEECH_SYSTEM)
    if not speech:
        settings = TEXT_SYSTEM | {"network": {"pooling": "mean", "dropout": 0.0}}
        asked = job(settings=settings, inputs=[*job().inputs[:-1], without_dropout])
    run.train(asked, 0, 1, tmp_path / "one")
    in_two_processes(asked, tmp_path / "two", by_hand=not speech)

    (alone, expected), (shared, found) = made(tmp_path / "one"), made(tmp_path / "two")
    for figure in ("train_loss", "dev_loss"):
        assert [epoch[figure] for epoch in shared["history"]] == pytest.approx(
            [epoch[figure] for epoch in alone["history"]], abs=1e-4
        )
    assert shared["selected_epoch"] == alone["selected_epoch"]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert (
        expected.min() < 0.02
    )  # it learned which classes do not occur: untrained networks, at 1/7 each, would agree anyway


def test_whole_dialogues_are_not_shared_among_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(
        loop, "Accelerator", lambda **_: SimpleNamespace(process_index=0, num_processes=2)
    )
    examples = Examples(
        ["a", "b"], {"speech": [np.zeros((1, 2))] * 2}, np.zeros(2, int), dialogues=[np.arange(2)]
    )
    settings = TrainingParams(
        batch_size=8,
        learning_rate=0.1,
        weight_decay=0.0,
        epochs=1,
        schedule="constant",
        warmup=0.0,
        patience=None,
    )
    with pytest.raises(
        ParamsError, match="whole dialogues are not shared among 2 processes; start one"
    ):
        loop.fit(
            lambda: None,
            examples,
            None,
            settings,
            SingleLabel(),
            "last",
            1,
            "fp32",
            tmp_path / "state.pt",
        )
