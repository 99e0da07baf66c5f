"""A job in several processes gives the result of one process.

PyTorch's own launcher starts them, by hand as docs/cluster.md says, or by the job itself where it
is given several GPUs. Names of GPUs are enough: the processes compute on the CPU.
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
from merflow.records import Record, Run
from merflow.store import read_table
from merflow.training import loop
from merflow.training.batches import Examples
from merflow.training.job import Job
from merflow.training.loop import Recipe
from merflow.training.objectives import SingleLabelObjective
from merflow.training.run import train

BIN = Path(sys.executable).parent
TORCHRUN = [str(BIN / "torchrun"), "--standalone", "--nproc-per-node", "2", "--no-python", "--"]


def in_two_processes(job: Job, out: Path, by_hand: bool) -> None:
    """Run `merflow train` as the rule calls it: behind the launcher, or with two GPUs."""
    block = f"papers.{job.paper}"
    params = {
        f"{block}.systems.{job.system}": job.params,
        f"{block}.protocols.{job.protocol}": job.protocol_params,
        f"{block}.features": job.features,
        f"keep_weights.{job.paper}.{job.system}.{job.corpus}.{job.protocol}": job.keep_weights,
        "training": {"precision": job.precision},
        "code": job.code,
    }
    command = TORCHRUN if by_hand else []
    command = [*command, str(BIN / "merflow"), "--log", f"{out}.log", "train"]
    command += [job.paper, job.system, job.corpus, job.protocol]
    command += ["--params", json.dumps(params), "--shard", "0", "--shards", "1"]
    for path in job.inputs.files:
        command += ["--inputs", str(path)]
    command += ["--out", str(out)]
    command += [] if by_hand else ["--gpus", "2"]
    env = os.environ | {
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "" if by_hand else "none-a,none-b",
        "TMPDIR": str(out.parent),
    }
    for name in ("SLURM_JOB_ID", "LOCAL_RANK"):
        env.pop(name, None)
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr


def result(out: Path) -> tuple[Run, np.ndarray]:
    """The only run, and its probabilities of dev and test (60, K)."""
    (folder,) = out.iterdir()
    rows = read_table(folder / "predictions.parquet", artifacts.PREDICTIONS)
    assert (folder / "weights" / "0-1.safetensors").exists()
    (run,) = Record.read(folder).runs
    return run, np.stack(rows["probabilities"])


@pytest.fixture
def without_dropout(checkpoint, tmp_path) -> Path:
    """Marker of a checkpoint without dropout: processes draw from generators of their own."""
    folder = Path(copytree(checkpoint, tmp_path / "checkpoints" / "bert"))
    config = json.loads((folder / "config.json").read_text())
    dropouts = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    assert dropouts.keys() <= config.keys()
    (folder / "config.json").write_text(json.dumps(config | dropouts))
    return folder / "SOURCE.json"


@pytest.mark.parametrize("speech", [True, False], ids=["features", "fine-tuning"])
def test_two_processes_train_the_same_network_as_one(job, tmp_path, without_dropout, speech):
    if speech:
        shared = job(speech=True, params=SPEECH_SYSTEM)
    else:
        params = TEXT_SYSTEM | {"network": {"pooling": "mean", "dropout": 0.0}}
        shared = job(params=params, inputs=[*job().inputs.files[:-1], without_dropout])
    train(shared, 0, 1, tmp_path / "one")
    in_two_processes(shared, tmp_path / "two", by_hand=not speech)

    (one, expected), (two, probabilities) = result(tmp_path / "one"), result(tmp_path / "two")
    for figure in ("train_loss", "loss"):
        of_one, of_two = ([getattr(e, figure) for e in run.history] for run in (one, two))
        assert of_two == pytest.approx(of_one, abs=1e-4)
    assert two.selected_epochs == one.selected_epochs
    np.testing.assert_allclose(probabilities, expected, atol=1e-3)
    # they learned which classes do not occur: untrained networks, at 1/7 each, would agree anyway
    assert expected.min() < 0.02


def test_dialogues_are_not_shared_among_processes(tmp_path, monkeypatch):
    two = SimpleNamespace(process_index=0, num_processes=2)
    monkeypatch.setattr(loop, "Accelerator", lambda **_: two)
    speech, labels = [np.zeros((1, 2))] * 2, np.zeros(2, int)
    examples = Examples(["a", "b"], {"speech": speech}, labels, dialogues=[np.arange(2)])
    params = TrainingParams(
        batch_size=8,
        learning_rate=0.1,
        weight_decay=0.0,
        epochs=1,
        schedule="constant",
        warmup=0.0,
        patience=None,
    )
    recipe = Recipe(params, SingleLabelObjective(), "last", seed=1)
    message = "whole dialogues are not shared among 2 processes; start one"
    with pytest.raises(ParamsError, match=message):
        loop.fit(lambda: None, examples, None, recipe, tmp_path / "state.pt")
