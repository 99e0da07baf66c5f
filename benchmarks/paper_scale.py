"""Cost of all five papers at the sizes of the real corpora: time per epoch, GPU memory, hours.

Each system that the loop trains is trained for an epoch on generated inputs of the real corpora's
sizes, with the parameters of params/paper.yaml. Encoders have the real architectures and random
weights. Fusions and off-the-shelf models train nothing and are left out. The hours count the
largest number of epochs of all protocols (folds x seeds x epochs), scaled to the train split of
each scheme. Patience may end a run sooner.

    python benchmarks/paper_scale.py                    # in full: a GPU, an hour or two
    python benchmarks/paper_scale.py --utterances 64    # an estimate: samples, scaled up
    python benchmarks/paper_scale.py --small            # tiny encoders on a CPU: hours mean nothing
"""

import argparse
import json
import os
import resource
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import yaml
from accelerate.state import AcceleratorState
from generated_inputs import Corpus, save_encoders, sizes
from torch import nn

from merflow import presets
from merflow.corpora.labels import class_of
from merflow.corpora.schemes import find, multi_label
from merflow.params import TrainingParams
from merflow.registry import PAPERS
from merflow.systems import System
from merflow.training.batches import Examples, LazyArrays
from merflow.training.inputs import dims_of
from merflow.training.loop import Recipe, fit, predict
from merflow.training.objectives import MultiLabelObjective, SingleLabelObjective


@dataclass(frozen=True)
class Row:
    """Cost of a system on a corpus.

    Attributes:
        train: utterances of the train split.
        measured_on: utterances of the epoch that was measured.
        gpu_use: per cent of the time; None without a GPU.
        memory_gb: peak, of the GPU if there is one, else of this process.
        runs: folds x seeds of all protocols.
        hours: time of all runs.
    """

    paper: str
    system: str
    corpus: str
    train: int
    measured_on: int
    epoch_s: float
    setup_s: float
    gpu_use: float | None
    memory_gb: float
    epochs: int
    runs: int
    hours: float


@contextmanager
def gpu_use() -> Iterator[list[int]]:
    """Per cent of the time in which the GPU computed, twice a second; filled after the block."""
    samples: list[int] = []
    if not torch.cuda.is_available():
        yield samples
        return
    query = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    command = ["nvidia-smi", *query, "-lms", "500"]
    sampler = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield samples
    finally:
        sampler.terminate()
        samples += [int(line) for line in sampler.communicate()[0].split() if line.isdigit()]


@dataclass(frozen=True)
class Case:
    """A system on a corpus under the protocol `clean`.

    Attributes:
        paper, system, corpus: names.
        params: the whole of params.yaml.
        encoders: folder of checkpoints.
    """

    paper: str
    system: str
    corpus: str
    params: Mapping[str, Any]
    encoders: Path

    @property
    def block(self) -> Mapping[str, Any]:
        return self.params["papers"][self.paper]

    @property
    def scheme(self) -> str:
        return self.block["protocols"]["clean"]["scheme"][self.corpus]

    @property
    def multi_label(self) -> bool:
        return multi_label(self.corpus, self.scheme)

    @property
    def n_classes(self) -> int:
        n = self.block.get("classes", {}).get(self.corpus)
        classes = n or find(self.corpus, self.scheme).classes
        return len(set(class_of(self.corpus, classes).values()))

    def system_of(self, name: str) -> System:
        return import_module(PAPERS[self.paper]).SYSTEMS[name]

    def network(self, name: str, dims: Mapping[str, int]) -> nn.Module:
        system, params = self.system_of(name), self.block["systems"][name]
        start = {"checkpoint": self.encoders / _encoder(self.paper, name, self.block)}
        start = start if system.pretrained else {}
        return system.build(dims, self.n_classes, **start, **params["network"])

    def examples(self, name: str, n: int, member_shapes: Mapping[str, tuple]) -> Examples:
        """Generate `n` examples with random labels for a system of the paper."""
        inputs = Corpus(self.corpus, self.params, n)
        features, params = self.block.get("features", {}), self.block["systems"][name]
        if self.multi_label:
            labels = inputs.rng.integers(0, 2, (n, self.n_classes)).astype(np.float32)
        else:
            labels = inputs.rng.integers(0, self.n_classes, n)
        return inputs.examples(self.system_of(name), params, features, member_shapes, labels)

    def hidden_shape(self, name: str) -> tuple:
        """Shape of the hidden activations that a member exports, of an utterance."""
        examples = self.examples(name, 2, {})
        model = self.network(name, dims_of(examples.inputs)).eval()
        return tuple(predict(model.hidden, examples, torch.device("cpu")).shape[1:])


def transform(system: System, params: Mapping[str, Any], train: Examples, dev: Examples) -> float:
    """Fit transformers on train and apply them to both splits; return the seconds."""
    start = time.monotonic()
    for name, make in system.transformers.items():
        fitted = make(**params["inputs"][name])
        arrays = train.inputs[name]
        labels = np.repeat(train.labels, [len(array) for array in arrays], axis=0)
        fitted.fit(np.concatenate(arrays), labels)
        for examples in (train, dev):
            examples.inputs[name] = [
                np.asarray(fitted.transform(array), np.float32) for array in examples.inputs[name]
            ]
    return time.monotonic() - start


def measure(case: Case, most: int | None) -> Row:
    """Train an epoch on at most `most` utterances, and count the epochs of all protocols."""
    system, params = case.system_of(case.system), case.block["systems"][case.system]
    training = TrainingParams(**params["training"])
    full = sizes(case.corpus, case.scheme)
    share = min(1.0, most / full["train"]) if most else 1.0
    shapes = {name: case.hidden_shape(name) for name in system.members}
    train, dev = (
        case.examples(case.system, max(training.batch_size, round(full[split] * share)), shapes)
        for split in ("train", "dev")
    )
    setup_s = transform(system, params, train, dev)
    objective = SingleLabelObjective()
    if case.multi_label:
        labels = train.labels
        objective = MultiLabelObjective.of(labels, training.class_weights, system.bank)
    precision = case.params["training"]["precision"] if system.pretrained else "fp32"
    AcceleratorState._reset_state()  # one precision per process, and a job trains one system
    once = training.model_copy(update={"epochs": 1})
    recipe = Recipe(once, objective, "best", 1, precision)
    build = partial(case.network, case.system, dims_of(train.inputs))
    few = _first(train, 2 * training.batch_size)
    with TemporaryDirectory() as scratch:
        fit(build, few, few, recipe, Path(scratch) / "warm.pt")  # loads libraries and kernels
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        with gpu_use() as use:
            fitted = fit(build, train, dev, recipe, Path(scratch) / "state.pt")
    assert np.isfinite(fitted.history[0].train_loss)
    scale = full["train"] / len(train)
    runs, utterances = _runs(case)
    seconds = utterances * training.epochs * fitted.wall_s / len(train) + runs * setup_s * scale
    return Row(
        paper=case.paper,
        system=case.system,
        corpus=case.corpus,
        train=full["train"],
        measured_on=len(train),
        epoch_s=fitted.wall_s * scale,
        setup_s=setup_s * scale,
        gpu_use=float(np.mean(use)) if use else None,
        memory_gb=_peak_memory() / 2**30,
        epochs=training.epochs,
        runs=runs,
        hours=seconds / 3600,
    )


def _runs(case: Case) -> tuple[int, int]:
    """Number of runs under all protocols, and sum of their train utterances."""
    runs = utterances = 0
    for name in case.params["run"][case.paper]["protocols"]:
        protocol = case.block["protocols"][name]
        scheme = protocol["scheme"][case.corpus]
        count = find(case.corpus, scheme).folds * len(protocol["seeds"])
        runs += count
        utterances += count * sizes(case.corpus, scheme)["train"]
    return runs, utterances


def _peak_memory() -> int:
    """Bytes, of the GPU if there is one."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _encoder(paper: str, system: str, block: Mapping[str, Any]) -> str:
    """Checkpoint that a system starts from, as dvc.yaml has it."""
    if "encoders" in block:
        return block["encoders"].get(system, block["encoders"]["video"])
    return "roberta" if "roberta" in system else "bert"


def _first(examples: Examples, n: int) -> Examples:
    """The first `n` examples, without a dialogue that goes on after them."""
    n = min(n, len(examples))
    dialogues = examples.dialogues and [rows for rows in examples.dialogues if rows[-1] < n]
    if dialogues:
        n = sum(map(len, dialogues))
    inputs = {name: _cut(arrays, n) for name, arrays in examples.inputs.items()}
    return Examples(examples.ids[:n], inputs, examples.labels[:n], dialogues)


def _cut(arrays: Any, n: int) -> Any:
    if isinstance(arrays, LazyArrays):
        return LazyArrays(arrays.make, arrays.ids[:n], arrays.n_frames)
    return arrays[:n]


def trained(paper: str, params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Systems of a paper that the loop trains, each on its corpora."""
    systems = import_module(PAPERS[paper]).SYSTEMS
    stages = [stage for stage in params["run"][paper].values() if isinstance(stage, dict)]
    for stage in stages:
        for name, corpus in product(stage["systems"], stage["corpora"]):
            if isinstance(systems[name], System):
                yield name, corpus


COLUMNS = ("paper", "system", "corpus", "train", "measured on", "s/epoch", "GPU use", "memory, GB")
COLUMNS = (*COLUMNS, "epochs", "runs", "hours")


def markdown(rows: list[Row], place: str) -> str:
    """The table, papers in order, and the total."""
    lines = [f"On {place}. Hours: of every run under every protocol of params/paper.yaml.", ""]
    lines += [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    for row in rows:
        use = "" if row.gpu_use is None else f"{row.gpu_use:.0f} %"
        measured = f"{row.train:,} | {row.measured_on:,} | {row.epoch_s:,.1f} | {use}"
        counts = f"{row.memory_gb:.1f} | {row.epochs} | {row.runs} | {row.hours:,.1f}"
        lines.append(f"| {row.paper} | {row.system} | {row.corpus} | {measured} | {counts} |")
    runs, hours = sum(row.runs for row in rows), sum(row.hours for row in rows)
    lines.append(f"| all | | | | | | | | | {runs} | {hours:,.1f} |")
    return "\n".join([*lines, ""])


def place_of(small: bool, most: int | None) -> str:
    """Machine and scale of the measurement, as the table's head names them."""
    threads = f"a CPU, {torch.get_num_threads()} threads"
    place = torch.cuda.get_device_name() if torch.cuda.is_available() else threads
    if small:
        place += ", tiny encoders and the demo's parameters: hours mean nothing"
    place += f", load average {os.getloadavg()[0]:.1f}"
    return f"{place}; measured on {most} utterances at most and scaled up" if most else place


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--small", action="store_true", help="tiny encoders, the demo's parameters, 32 utterances"
    )
    parser.add_argument(
        "--utterances", type=int, help="largest size of a train split; times are scaled up"
    )
    parser.add_argument("--papers", nargs="*", default=list(PAPERS), choices=list(PAPERS))
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/paper_scale"),
        help="folder of table.md and table.json",
    )
    arguments = parser.parse_args()

    paper = yaml.safe_load(presets.compose("paper"))
    params = {
        **yaml.safe_load(presets.compose("demo" if arguments.small else "paper")),
        "run": paper["run"],
        "training": paper["training"],
    }
    most = 32 if arguments.small else arguments.utterances
    place = place_of(arguments.small, most)
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    with TemporaryDirectory() as folder:
        save_encoders(Path(folder), arguments.small)
        for name in arguments.papers:
            for system, corpus in trained(name, params):
                rows.append(measure(Case(name, system, corpus, params, Path(folder)), most))
                print(f"{name} {system} {corpus}: {rows[-1].epoch_s:.1f} s/epoch", flush=True)
                table = json.dumps([asdict(row) for row in rows], indent=1)
                (arguments.out / "table.json").write_text(table)
                (arguments.out / "table.md").write_text(markdown(rows, place))
    print(markdown(rows, place))


if __name__ == "__main__":
    main()
