"""What all five papers cost at the sizes of the real corpora: seconds per epoch, use and memory of the GPU, hours of all runs.

Every system that is trained is trained for an epoch, with the networks and settings of params/paper.yaml, on generated inputs of the
real corpora's sizes; encoders have the real architectures and random weights. Fusions and models off the shelf train nothing and are
left out. An epoch counts as often as the protocols of params/paper.yaml ask for it at most (folds x seeds x epochs; patience may end a
run sooner), scaled to the train part of each scheme.

    python benchmarks/paper_scale.py                          # in full: a GPU, an hour or two
    python benchmarks/paper_scale.py --utterances 64          # a sample of each train part, scaled up: an estimate
    python benchmarks/paper_scale.py --small                  # seconds on a CPU: tiny encoders, the demo's settings; means nothing
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
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from accelerate.state import AcceleratorState
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel, SwinConfig, SwinModel

from merflow import corpora, presets
from merflow.corpora.labels import class_of
from merflow.corpora.schemes import find, multi_label
from merflow.params import TrainingParams
from merflow.registry import PAPERS
from merflow.systems import System
from merflow.training.batches import Drawn, Examples
from merflow.training.loop import fit, predict
from merflow.training.objectives import MultiLabel, SingleLabel

#: Mean seconds and words of an utterance, and utterances of a dialogue (13,708 / 1,432; 10,039 / 151; 23,259 / 3,295; one).
LENGTHS = {
    "meld": (3.1, 8, 10),
    "iemocap": (4.5, 12, 66),
    "mosei": (7.3, 19, 7),
    "ravdess": (3.7, 6, 1),
}
PER_SECOND = {
    "mel"
}  # features with frames every hop_length of 16 kHz; others below have a frame per word, or one
PER_WORD = {"fasttext", "covarep", "facet", "glove_aligned"}
DIMS = {
    "is13": 6373,
    "bert_mean": 768,
    "wav2vec2_mean": 768,
}  # of one vector per utterance; others are in params/paper.yaml
PICTURE = (256, 456)  # height, width as decoded: the short side of params/paper.yaml at 16:9


@dataclass(frozen=True)
class Row:
    """What a system on a corpus costs; `hours`: of every run under every protocol. GPU figures are None without one."""

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


def sizes(corpus: str, scheme: str) -> dict[str, int]:
    """Utterances in the parts of a fold of the complete corpus (merflow.corpora.splits)."""
    expected = corpora.load(corpus).EXPECTED
    count = {part: sum(labels.values()) for part, labels in expected.items()}
    total = count.get("all") or sum(count.values())
    if scheme == "official":
        return {part: count[part] for part in ("train", "dev", "test")}
    if scheme in (
        "pooled",
        "instances",
    ):  # a fifth is test; instances: as if each segment had one emotion
        return {"train": total * 4 // 5, "test": total // 5}
    if scheme == "ten_folds":
        return {"train": total * 9 // 10, "test": total // 10}
    if scheme in ("sessions", "session5"):  # a fifth of the other sessions is dev
        return {"train": total * 16 // 25, "dev": total * 4 // 25, "test": total // 5}
    return {"train": total * 3 // 5, "dev": total // 5, "test": total // 5}  # actors


def save_encoders(folder: Path, small: bool) -> None:
    """Random encoders in the Hub's format: bert-base, roberta-base and Swin-T, or tiny ones."""
    text = (
        {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 64,
        }
        if small
        else {}
    )
    picture: dict[str, Any] = {
        "image_size": 224,
        "depths": [2, 2, 6, 2],
        "num_heads": [3, 6, 12, 24],
        "embed_dim": 96,
        "window_size": 7,
    }
    if small:
        picture = {
            "image_size": 32,
            "patch_size": 2,
            "depths": [1, 1, 1, 1],
            "num_heads": [1, 1, 2, 2],
            "embed_dim": 8,
            "window_size": 2,
        }
    torch.manual_seed(0)
    BertModel(BertConfig(**text)).save_pretrained(folder / "bert")
    RobertaModel(
        RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, **text)
    ).save_pretrained(folder / "roberta")
    SwinModel(SwinConfig(**picture)).save_pretrained(folder / "swin")
    told = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    (folder / "swin" / "preprocessor_config.json").write_text(json.dumps(told))


class Corpus:
    """Generated inputs of a corpus: the same numbers of frames for an utterance in every input."""

    def __init__(self, name: str, params: Mapping[str, Any], n: int):
        self.rng = np.random.default_rng(7)
        seconds, words, self.dialogue = LENGTHS[name]
        self.n, self.params = n, params
        self.frames = np.maximum(1, self.rng.gamma(2, seconds / 2, n) * 100).astype(int)
        self.words = np.maximum(1, self.rng.gamma(2, words / 2, n)).astype(int)
        picture = cv2.blur(self.rng.integers(0, 256, (*PICTURE, 3), np.uint8), (9, 9))
        self.jpeg = cv2.imencode(
            ".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, params["media"]["jpeg_quality"]]
        )[1]

    def examples(
        self,
        row: System,
        settings: Mapping[str, Any],
        features: Mapping[str, str],
        held: Mapping[str, tuple],
        labels: np.ndarray,
    ):
        inputs = {
            name: self._input(features.get(name, name), settings.get("inputs", {}).get(name, {}))
            for name in row.inputs
        }
        inputs |= {
            name: [self._noise(*shape) for _ in range(self.n)] for name, shape in held.items()
        }
        dialogues = (
            np.array_split(np.arange(self.n), -(-self.n // self.dialogue))
            if row.by_dialogue
            else None
        )
        return Examples([str(i) for i in range(self.n)], inputs, labels, dialogues)

    def _noise(self, *shape: int) -> np.ndarray:
        return self.rng.standard_normal(shape, np.float32)

    def _input(self, name: str, settings: Mapping[str, Any]) -> Any:
        if name == "tokens":  # a word is 1.3 pieces; turns before count as much as the utterance
            counts = np.minimum(
                settings["max_tokens"],
                2 + (1.3 * self.words).astype(int) * (1 + settings["context"]),
            )
            return [
                np.stack([self.rng.integers(1000, 30000, k), np.zeros(k, int)], axis=1)
                for k in counts
            ]
        if name.startswith("frames_"):
            ids = [str(i) for i in range(self.n)]
            return Drawn(partial(self._pictures, **settings), ids, settings["frames"])
        told = self.params["features"].get(name, {})
        dim = told.get("dim") or told.get("n_mels") or DIMS[name]
        if name in PER_SECOND:
            return [
                self._noise(k, dim)
                for k in np.minimum(
                    settings.get("max_frames", 10**9), self.frames * 160 // told["hop_length"] + 1
                )
            ]
        return [
            self._noise(k, dim) for k in (self.words if name in PER_WORD else np.ones(self.n, int))
        ]

    def _pictures(self, _: str, frames: int, size: int) -> np.ndarray:
        """Decoded and scaled when a batch asks, as merflow.training.pictures does: of a real corpus few are held."""
        decoded = [cv2.imdecode(self.jpeg, cv2.IMREAD_COLOR_RGB) for _ in range(frames)]
        return np.stack(
            [cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA) for picture in decoded]
        )


@contextmanager
def gpu_use() -> Iterator[list[int]]:
    """Per cent of the time in which the GPU computed, sampled twice a second by nvidia-smi, after the block."""
    found: list[int] = []
    if not torch.cuda.is_available():
        yield found
        return
    command = [
        "nvidia-smi",
        "--query-gpu=utilization.gpu",
        "--format=csv,noheader,nounits",
        "-lms",
        "500",
    ]
    sampler = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield found
    finally:
        sampler.terminate()
        found += [int(line) for line in sampler.communicate()[0].split() if line.isdigit()]


def measure(
    paper: str,
    system: str,
    corpus: str,
    params: Mapping[str, Any],
    encoders: Path,
    most: int | None,
) -> Row:
    """Train an epoch under the protocol `clean`, and count what every protocol that is run asks for."""
    systems, block = import_module(PAPERS[paper]).SYSTEMS, params["papers"][paper]
    row, settings = systems[system], block["systems"][system]
    training = TrainingParams(**settings["training"])
    asked = {name: block["protocols"][name] for name in params["run"][paper]["protocols"]}
    scheme = block["protocols"]["clean"]["scheme"][corpus]
    full = sizes(corpus, scheme)
    share = min(1.0, most / full["train"]) if most else 1.0
    classes = len(
        set(
            class_of(
                corpus, block.get("classes", {}).get(corpus) or find(corpus, scheme).classes
            ).values()
        )
    )
    several = multi_label(corpus, scheme)
    checkpoint = lambda name: (
        {"checkpoint": encoders / _encoder(paper, name, block)} if systems[name].pretrained else {}
    )
    build = lambda name: partial(systems[name].build, **checkpoint(name))
    held = {
        name: _hidden(systems[name], build(name), name, corpus, params, block, classes)
        for name in row.members
    }

    examples = {}
    for part in ("train", "dev"):
        made = Corpus(corpus, params, max(training.batch_size, round(full[part] * share)))
        shape = (made.n, classes) if several else made.n
        labels = made.rng.integers(0, 2 if several else classes, shape)
        examples[part] = made.examples(
            row,
            settings,
            block.get("features", {}),
            held,
            labels.astype(np.float32) if several else labels,
        )
    start = time.monotonic()
    for name, make in row.fitted.items():
        fitted = make(**settings["inputs"][name])
        train = examples["train"].inputs[name]
        fitted.fit(
            np.concatenate(train),
            np.repeat(examples["train"].labels, [len(one) for one in train], axis=0),
        )
        for one in examples.values():
            one.inputs[name] = [
                np.asarray(fitted.transform(values), np.float32) for values in one.inputs[name]
            ]
    setup_s = time.monotonic() - start

    dims = {
        name: values[0].shape[1]
        for name, values in examples["train"].inputs.items()
        if isinstance(values, list) and name != "tokens"
    }
    network = lambda: build(system)(dims, classes, **settings["network"])
    objective = (
        MultiLabel.of(examples["train"].labels, training.class_weights, row.bank)
        if several
        else SingleLabel()
    )
    precision = params["training"]["precision"] if row.pretrained else "fp32"
    AcceleratorState._reset_state()  # it takes one precision for a process, and a job of the workflow trains one system
    once = training.model_copy(update={"epochs": 1})
    few = _first(examples["train"], 2 * training.batch_size)
    with TemporaryDirectory() as scratch:
        fit(
            network, few, few, once, objective, "dev", 1, precision, Path(scratch) / "warm.pt"
        )  # kernels are chosen, libraries loaded
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        with gpu_use() as used:
            done = fit(
                network,
                examples["train"],
                examples["dev"],
                once,
                objective,
                "dev",
                1,
                precision,
                Path(scratch) / "state.pt",
            )
    assert np.isfinite(done.history[0]["train_loss"])
    scale = 1 / (len(examples["train"]) / full["train"])
    per_utterance = done.wall_s / len(examples["train"])
    each = {name: (sizes(corpus, how["scheme"][corpus]), how) for name, how in asked.items()}
    runs = {
        name: find(corpus, how["scheme"][corpus]).folds * len(how["seeds"])
        for name, (_, how) in each.items()
    }
    seconds = sum(
        runs[name] * (size["train"] * per_utterance * training.epochs + setup_s * scale)
        for name, (size, _) in each.items()
    )
    memory = (
        torch.cuda.max_memory_allocated()
        if torch.cuda.is_available()
        else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    )
    return Row(
        paper=paper,
        system=system,
        corpus=corpus,
        train=full["train"],
        measured_on=len(examples["train"]),
        epoch_s=done.wall_s * scale,
        setup_s=setup_s * scale,
        gpu_use=float(np.mean(used)) if used else None,
        memory_gb=memory / 2**30,
        epochs=training.epochs,
        runs=sum(runs.values()),
        hours=seconds / 3600,
    )


def _encoder(paper: str, system: str, block: Mapping[str, Any]) -> str:
    """Checkpoint that a system starts from, as dvc.yaml has it."""
    if "encoders" in block:
        return block["encoders"]["text" if system == "text" else "video"]
    return "roberta" if "roberta" in system else "bert"


def _hidden(
    row: System,
    build: Any,
    name: str,
    corpus: str,
    params: Mapping[str, Any],
    block: Mapping[str, Any],
    classes: int,
) -> tuple:
    """Shape of what a system hands over of an utterance."""
    settings = block["systems"][name]
    one = Corpus(corpus, params, 2).examples(
        row, settings, block.get("features", {}), {}, np.zeros(2, int)
    )
    dims = {name: values[0].shape[1] for name, values in one.inputs.items() if name != "tokens"}
    model = build(dims, classes, **settings["network"]).eval()
    return tuple(predict(model.hidden, one, torch.device("cpu")).shape[1:])


def _first(examples: Examples, n: int) -> Examples:
    n = min(n, len(examples))
    dialogues = examples.dialogues and [one for one in examples.dialogues if one[-1] < n]
    if dialogues:
        n = sum(map(len, dialogues))
    return Examples(
        examples.ids[:n],
        {name: _cut(values, n) for name, values in examples.inputs.items()},
        examples.labels[:n],
        dialogues,
    )


def _cut(values: Any, n: int) -> Any:
    return (
        Drawn(values.make, values.ids[:n], values.frames)
        if isinstance(values, Drawn)
        else values[:n]
    )


def trained(paper: str, params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Systems of a paper that the loop trains, each on its corpora."""
    systems = import_module(PAPERS[paper]).SYSTEMS
    for rows in params["run"][paper].values():
        if isinstance(rows, dict):
            yield from (
                (name, corpus)
                for name in rows["systems"]
                if isinstance(systems[name], System)
                for corpus in rows["corpora"]
            )


def markdown(rows: list[Row], where: str) -> str:
    """The table, papers in order, and the total."""
    lines = [f"On {where}. Hours: of every run under every protocol of params/paper.yaml.", ""]
    lines += [
        "| paper | system | corpus | train | measured on | s/epoch | GPU use | memory, GB | epochs | runs | hours |",
        "|" + "---|" * 11,
    ]
    for row in rows:
        use = "" if row.gpu_use is None else f"{row.gpu_use:.0f} %"
        lines.append(
            f"| {row.paper} | {row.system} | {row.corpus} | {row.train:,} | {row.measured_on:,} | {row.epoch_s:,.1f} | {use} | "
            f"{row.memory_gb:.1f} | {row.epochs} | {row.runs} | {row.hours:,.1f} |"
        )
    return "\n".join(
        [
            *lines,
            f"| all | | | | | | | | | {sum(row.runs for row in rows)} | {sum(row.hours for row in rows):,.1f} |",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--small", action="store_true", help="tiny encoders, settings of the demo, 32 utterances"
    )
    parser.add_argument(
        "--utterances", type=int, help="of a train part at most; what is measured is scaled up"
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
    device = (
        torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f"a CPU, {torch.get_num_threads()} threads"
    )
    where = device + (
        ", tiny encoders and the demo's settings: hours mean nothing" if arguments.small else ""
    )
    where += f", load average {os.getloadavg()[0]:.1f}" + (
        f"; measured on {most} utterances at most and scaled up" if most else ""
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    with TemporaryDirectory() as folder:
        save_encoders(Path(folder), arguments.small)
        for name in arguments.papers:
            for system, corpus in trained(name, params):
                rows.append(measure(name, system, corpus, params, Path(folder), most))
                print(f"{name} {system} {corpus}: {rows[-1].epoch_s:.1f} s/epoch", flush=True)
                (arguments.out / "table.json").write_text(
                    json.dumps([asdict(row) for row in rows], indent=1)
                )
                (arguments.out / "table.md").write_text(markdown(rows, where))
    print(markdown(rows, where))


if __name__ == "__main__":
    main()
