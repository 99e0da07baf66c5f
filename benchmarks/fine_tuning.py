"""Utterances per second of the training loop against a plain loop, in one run.

The plain loop is a first script: random batches padded to their longest text, torch.optim.AdamW
with its defaults. Both train the same network from the same checkpoint on the same texts for one
epoch, evaluation on a tenth of them included. The two take turns, so that other load on the machine
meets both.

    OMP_NUM_THREADS=2 python benchmarks/fine_tuning.py --utterances 960
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from sentences import sentences
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from merflow.features.text.tokens import Tokenizer
from merflow.papers.weighted_late_fusion import TextClassifier
from merflow.params import TrainingParams
from merflow.training.batches import Examples
from merflow.training.loop import Recipe, fit
from merflow.training.objectives import SingleLabelObjective

CLASSES = 7


def plain(model: TextClassifier, train: Examples, dev: Examples, params: TrainingParams) -> None:
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay
    )
    model.train()
    loader = DataLoader(range(len(train)), params.batch_size, shuffle=True, collate_fn=np.array)
    for index in loader:
        batch = train.batch(index)
        cross_entropy(model(batch), batch.labels).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        for index in DataLoader(range(len(dev)), params.batch_size, collate_fn=np.array):
            model(dev.batch(index))


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--utterances", type=int, default=960, help="to train on")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=Path("data/checkpoints/bert"),
        help="made by `snakemake -- data/checkpoints/bert/SOURCE.json`",
    )
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def main() -> None:
    arguments = parsed_arguments()
    folder = arguments.checkpoint
    params = TrainingParams(
        batch_size=arguments.batch_size,
        learning_rate=5e-5,
        weight_decay=0.01,
        epochs=1,
        schedule="linear",
        warmup=0.1,
        patience=None,
    )
    build = lambda: TextClassifier({}, CLASSES, checkpoint=folder, pooling="mean", dropout=0.1)
    texts = sentences(arguments.utterances + arguments.utterances // 10)
    tokens = Tokenizer(folder).with_context(texts, [[]] * len(texts), 512)[0]
    labels = np.random.default_rng(1).integers(0, CLASSES, len(texts))
    ids = [str(i) for i in range(len(texts))]
    n = arguments.utterances
    train, dev = (
        Examples(ids[split], {"tokens": tokens[split]}, labels[split])
        for split in (slice(n), slice(n, None))
    )

    recipe = Recipe(params, SingleLabelObjective(), "best", seed=1)
    seconds: dict[str, list[float]] = {"plain": [], "merflow": []}
    with TemporaryDirectory() as scratch:
        for number in range(arguments.rounds):
            model = build()
            start = time.perf_counter()
            plain(model, train, dev, params)
            seconds["plain"].append(time.perf_counter() - start)
            start = time.perf_counter()
            fit(build, train, dev, recipe, Path(scratch) / f"{number}.pt")
            seconds["merflow"].append(time.perf_counter() - start)
    for name, times in seconds.items():
        speeds = ", ".join(f"{n / time_s:.1f}" for time_s in times)
        best = f"{n / min(times):6.1f} utterances/s, best of {len(times)}"
        print(f"{name:8} {best} (all: {speeds})")
    ratio = min(seconds["plain"]) / min(seconds["merflow"])
    print(f"ratio    {ratio:6.2f} with {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
