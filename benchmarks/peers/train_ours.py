"""Training of this project's loop on sequences.npz. The last line of output is JSON.

    python benchmarks/peers/train_ours.py early_fusion|tensor_fusion SEQUENCES EPOCHS SCRATCH

early_fusion has MMSA's sizes of EF_LSTM on MOSEI. tensor_fusion is the system of class_weight_lstm:
three LSTMs, each trained alone, then a layer over the outer product of their activations, which are
no averages over words. Its seconds are the sum of all four.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from torch import nn

from merflow.papers.class_weight_lstm import Lstm, TensorFusion
from merflow.params import TrainingParams
from merflow.training.batches import Examples
from merflow.training.loop import Fitted, Recipe, fit, predict
from merflow.training.objectives import MultiLabelObjective

MODALITIES = ("visual", "acoustic", "language")


WIDE = {"layers": 2, "units": 256, "dense": 256, "dropout": 0.4}
NARROW = {"layers": 1, "units": 128, "dense": 32, "dropout": 0.4}
Splits = dict[str, Examples]


def read(path: str) -> Splits:
    """Examples of each split, with the sign of the label."""
    arrays, splits = np.load(path), {}
    for split in ("train", "valid", "test"):
        inputs = {modality: list(arrays[f"{split}_{modality}"]) for modality in MODALITIES}
        labels = (arrays[f"{split}_labels"] > 0).astype(np.float32)[:, None]
        ids = [f"{split}-{k}" for k in range(len(labels))]
        splits[split] = Examples(ids, inputs, labels)
    return splits


def trained(
    build: Callable[..., nn.Module], splits: Splits, names: Sequence[str], epochs: int, state: Path
) -> Fitted:
    """Train a network on some inputs, and return it in mode eval."""
    params = TrainingParams(
        batch_size=128,
        learning_rate=0.005,
        weight_decay=1e-4,
        epochs=epochs,
        schedule="constant",
        warmup=0.0,
        patience=None,
    )
    chosen = {split: cut(examples, names) for split, examples in splits.items()}
    train = chosen["train"]
    dims = {name: train.inputs[name][0].shape[-1] for name in names}
    objective = MultiLabelObjective.of(train.labels, class_weights=False)
    recipe = Recipe(params, objective, "best", seed=1)
    fitted = fit(partial(build, dims, 1), train, chosen["valid"], recipe, state)
    state.unlink()
    fitted.model.eval()
    return fitted


def cut(examples: Examples, names: Sequence[str]) -> Examples:
    """The same examples with some of their inputs."""
    inputs = {name: examples.inputs[name] for name in names}
    return Examples(examples.ids, inputs, examples.labels)


def main() -> None:
    system, sequences, epochs, scratch = sys.argv[1:]
    state = Path(scratch) / "state.pt"
    shutil.rmtree(scratch, ignore_errors=True)
    state.parent.mkdir(parents=True)
    splits, seconds = read(sequences), 0.0
    build = partial(Lstm, **WIDE)
    if system == "tensor_fusion":
        hidden: dict[str, dict] = {split: {} for split in splits}
        for modality in MODALITIES:
            member = trained(partial(Lstm, **NARROW), splits, (modality,), int(epochs), state)
            seconds += member.wall_s
            for split, examples in splits.items():
                values = predict(member.model.hidden, cut(examples, (modality,)), member.device)
                hidden[split][modality] = list(values.numpy())
        splits = {
            split: Examples(examples.ids, hidden[split], examples.labels)
            for split, examples in splits.items()
        }
        build = TensorFusion
    fitted = trained(build, splits, MODALITIES, int(epochs), state)
    seconds += fitted.wall_s
    logits = predict(fitted.model, splits["test"], fitted.device).numpy()
    digest = hashlib.sha256()
    for value in fitted.model.state_dict().values():
        digest.update(value.numpy().tobytes())
    accuracy = float(((logits > 0) == (splits["test"].labels > 0)).mean())
    result = {"epoch_s": seconds / int(epochs), "accuracy": accuracy}
    print(json.dumps(result | {"digest": digest.hexdigest()}))


if __name__ == "__main__":
    main()
