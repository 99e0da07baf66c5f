"""This project's loop trains on the sequences of sequences.npz. The last line of output is JSON.

    python benchmarks/peers/train_ours.py early_fusion|tensor_fusion SEQUENCES EPOCHS SCRATCH

early_fusion has MMSA's sizes of EF_LSTM on MOSEI. tensor_fusion is that of class_weight_lstm: three LSTMs, each trained by itself, then a
layer over the outer product of their activations, which are no averages over words; its seconds are those of all four.
"""

import hashlib
import json
import shutil
import sys
from functools import partial
from pathlib import Path

import numpy as np

from merflow.papers.class_weight_lstm import Lstm, TensorFusion
from merflow.params import TrainingParams
from merflow.training.batches import Examples
from merflow.training.loop import fit, predict
from merflow.training.objectives import MultiLabel

MODALITIES = ("visual", "acoustic", "language")


def main() -> None:
    name, sequences, epochs, scratch = (
        sys.argv[1],
        np.load(sys.argv[2]),
        int(sys.argv[3]),
        Path(sys.argv[4]),
    )
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    settings = TrainingParams(
        batch_size=128,
        learning_rate=0.005,
        weight_decay=1e-4,
        epochs=epochs,
        schedule="constant",
        warmup=0.0,
        patience=None,
    )
    wide = {"layers": 2, "units": 256, "dense": 256, "dropout": 0.4}
    narrow = {"layers": 1, "units": 128, "dense": 32, "dropout": 0.4}
    parts = {}
    for part in ("train", "valid", "test"):
        inputs = {modality: list(sequences[f"{part}_{modality}"]) for modality in MODALITIES}
        labels = (sequences[f"{part}_labels"] > 0).astype(np.float32)[:, None]
        parts[part] = Examples([f"{part}-{k}" for k in range(len(labels))], inputs, labels)

    def trained(build, names, members=None):
        mine = {
            part: Examples(
                all_.ids,
                {one: (members or {}).get((part, one)) or all_.inputs[one] for one in names},
                all_.labels,
            )
            for part, all_ in parts.items()
        }
        dims = {one: mine["train"].inputs[one][0].shape[-1] for one in names}
        objective = MultiLabel.of(mine["train"].labels, class_weights=False)
        state = scratch / "state.pt"
        fitted = fit(
            partial(build, dims, 1),
            mine["train"],
            mine["valid"],
            settings,
            objective,
            "dev",
            1,
            "fp32",
            state,
        )
        state.unlink()
        return fitted, mine

    if name == "early_fusion":
        fitted, mine = trained(partial(Lstm, **wide), MODALITIES)
        seconds = fitted.wall_s
    else:
        members, seconds = {}, 0.0
        for modality in MODALITIES:
            one, mine = trained(partial(Lstm, **narrow), (modality,))
            seconds += one.wall_s
            model = one.model.eval()
            members |= {
                (part, modality): list(predict(model.hidden, examples, one.device).numpy())
                for part, examples in mine.items()
            }
        fitted, mine = trained(TensorFusion, MODALITIES, members)
        seconds += fitted.wall_s
    logits = predict(fitted.model.eval(), mine["test"], fitted.device).numpy()
    digest = hashlib.sha256(
        b"".join(value.numpy().tobytes() for value in fitted.model.state_dict().values())
    ).hexdigest()
    accuracy = float(((logits > 0) == (mine["test"].labels > 0)).mean())
    print(json.dumps({"epoch_s": seconds / epochs, "accuracy": accuracy, "digest": digest}))


if __name__ == "__main__":
    main()
