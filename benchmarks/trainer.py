"""Utterances per second, and dev scores, of the training loop and the Trainer of transformers.

The Trainer has its defaults: random batches, each padded to its longest text, gradients clipped,
dev in batches of 8. Both fine-tune the same network from the same checkpoint on the same texts for
one epoch, with the Trainer's schedule and weight decay, one batch size and one learning rate.
Loading the network and the evaluation on a tenth as many texts are included. The Trainer saves
nothing, the loop its resumable state. Texts name two classes, their own twice: something to learn,
not at once. The two take turns, so that other load on the machine meets both.

    OMP_NUM_THREADS=2 python benchmarks/trainer.py --utterances 960
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from sentences import sentences
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import (
    AutoTokenizer,
    DataCollatorWithPadding,
    EvalPrediction,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from merflow.corpora.labels import CLASSES
from merflow.features.text.tokens import Tokenizer
from merflow.papers.weighted_late_fusion import TextClassifier
from merflow.params import TrainingParams
from merflow.systems import Batch
from merflow.training.batches import Examples
from merflow.training.loop import Recipe, fit
from merflow.training.objectives import SingleLabelObjective

NAMES = list(CLASSES["meld"])


def learnable(texts: list[str]) -> tuple[list[str], np.ndarray]:
    """Put names of classes into texts: the name of the label twice, another name once."""
    rng = np.random.default_rng(1)
    made, labels = [], []
    for text in texts:
        label, other = rng.permutation(len(NAMES))[:2]
        words = text.split()
        for name in rng.permutation([label, label, other]):
            words.insert(rng.integers(len(words) + 1), NAMES[name])
        made.append(" ".join(words))
        labels.append(label)
    return made, np.array(labels)


class ForTrainer(nn.Module):
    """The network with the arguments and results that the Trainer expects."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        context = torch.zeros_like(input_ids)  # all tokens are the utterance's own
        inputs = {"tokens": torch.stack([input_ids, context], dim=-1)}
        masks = {"tokens": attention_mask.bool()}
        logits = self.network(Batch(inputs, masks, labels, torch.arange(len(labels))))
        return {"loss": cross_entropy(logits, labels), "logits": logits}


def weighted_f1(prediction: EvalPrediction) -> dict[str, float]:
    predicted = prediction.predictions.argmax(axis=1)
    f1 = f1_score(prediction.label_ids, predicted, average="weighted", zero_division=0)
    return {"weighted_f1": f1}


def trainer(
    build: Callable[[], nn.Module],
    train: Examples,
    dev: Examples,
    params: TrainingParams,
    seed: int,
    checkpoint: Path,
    scratch: Path,
) -> float:
    """Train with the Trainer; return the weighted F1 on dev."""
    torch.use_deterministic_algorithms(False)  # the loop turns them on: a cost of its own
    torch.manual_seed(seed)
    arguments = TrainingArguments(
        output_dir=str(scratch),
        per_device_train_batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        num_train_epochs=params.epochs,
        eval_strategy="epoch",
        save_strategy="no",
        seed=seed,
        disable_tqdm=True,
    )
    splits = [
        [
            {"input_ids": tokens[:, 0].tolist(), "label": int(label)}
            for tokens, label in zip(split.inputs["tokens"], split.labels, strict=True)
        ]
        for split in (train, dev)
    ]
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, local_files_only=True)
    collator = DataCollatorWithPadding(tokenizer)
    run = Trainer(ForTrainer(build()), arguments, collator, *splits, compute_metrics=weighted_f1)
    run.remove_callback(PrinterCallback)
    run.train()
    return next(
        entry["eval_weighted_f1"] for entry in run.state.log_history if "eval_weighted_f1" in entry
    )


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--utterances", type=int, default=960, help="to train on")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument(
        "--learning-rate",
        type=float,
        default=1e-4,
        help="the paper's for BERT in batches of 16 by default",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=Path("data/checkpoints/bert"),
        help="made by `snakemake -- data/checkpoints/bert/SOURCE.json`",
    )
    parser.add_argument("--rounds", type=int, default=3, help="each with a seed of its own")
    return parser.parse_args()


def main() -> None:
    arguments = parsed_arguments()
    folder, n = arguments.checkpoint, arguments.utterances
    params = TrainingParams(  # no warm-up and no weight decay: the Trainer's defaults
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        weight_decay=0,
        epochs=1,
        schedule="linear",
        warmup=0,
        patience=None,
    )
    build = lambda: TextClassifier({}, len(NAMES), checkpoint=folder, pooling="mean", dropout=0.1)
    texts, labels = learnable(sentences(n + n // 10))
    tokens = Tokenizer(folder).with_context(texts, [[]] * len(texts), 512)[0]
    ids = [str(i) for i in range(len(texts))]
    train, dev = (
        Examples(ids[split], {"tokens": tokens[split]}, labels[split])
        for split in (slice(n), slice(n, None))
    )

    seconds: dict[str, list[float]] = {"Trainer": [], "merflow": []}
    scores: dict[str, list[float]] = {name: [] for name in seconds}
    build()(train.batch(np.arange(2)))  # the first step of a process costs more: not timed
    with TemporaryDirectory() as scratch:
        for seed in range(arguments.rounds):
            start = time.perf_counter()
            f1 = trainer(build, train, dev, params, seed, folder, Path(scratch))
            seconds["Trainer"].append(time.perf_counter() - start)
            scores["Trainer"].append(f1)
            start = time.perf_counter()
            recipe = Recipe(params, SingleLabelObjective(), "best", seed)
            fitted = fit(build, train, dev, recipe, Path(scratch) / f"{seed}.pt")
            seconds["merflow"].append(time.perf_counter() - start)
            scores["merflow"].append(fitted.history[-1].score)
    for name, times in seconds.items():
        speeds = ", ".join(f"{n / time_s:.1f}" for time_s in times)
        best = f"{n / min(times):6.1f} utterances/s, best of {len(times)}"
        print(f"{name:8} {best} (all: {speeds})")
        f1s = ", ".join(f"{100 * f1:.1f}" for f1 in scores[name])
        print(f"{'':8} {100 * np.mean(scores[name]):6.1f} weighted F1 on dev (all: {f1s})")
    ratio = min(seconds["Trainer"]) / min(seconds["merflow"])
    print(f"ratio    {ratio:6.2f} with {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
