"""Runs in the environment of the peers: MMSA trains a network on the sequences of sequences.npz. The last line of output is JSON.

    peers/bin/python benchmarks/peers/train_theirs.py ef_lstm|tfn SEQUENCES EPOCHS SCRATCH

MMSA's own entry point MMSA_run calls torch.cuda.set_device and fails on a machine without a GPU; what it calls next does not.
"""

import hashlib
import json
import pickle
import sys
import time
from pathlib import Path

import numpy as np
import torch
from MMSA import config, run
from MMSA.trains import ATIO
from MMSA.utils import setup_seed

NAMES = {"language": "text", "acoustic": "audio", "visual": "vision"}


def main() -> None:
    name, sequences, epochs, scratch = (
        sys.argv[1],
        np.load(sys.argv[2]),
        int(sys.argv[3]),
        Path(sys.argv[4]),
    )
    scratch.mkdir(parents=True, exist_ok=True)
    data = {}
    for part in ("train", "valid", "test"):
        data[part] = {theirs: sequences[f"{part}_{ours}"] for ours, theirs in NAMES.items()}
        labels = sequences[f"{part}_labels"]
        data[part] |= {"regression_labels": np.where(labels > 0, 2.0, -2.0).astype(np.float32)}
        data[part] |= {"raw_text": [""] * len(labels), "id": [str(k) for k in range(len(labels))]}
        data[part] |= {
            f"{name}_lengths": [data[part][name].shape[1]] * len(labels)
            for name in ("audio", "vision")
        }
    (scratch / "features.pkl").write_bytes(pickle.dumps(data))

    try:
        run.MMSA_run(
            name,
            "mosei",
            seeds=[1],
            gpu_ids=[-1],
            verbose_level=0,
            res_save_dir=scratch,
            model_save_dir=scratch,
            log_dir=scratch,
        )
    except Exception as error:  # what it says is part of the result
        entry = f"{type(error).__name__}: {error}".splitlines()[0]
    else:
        entry = "works"
    settings = config.get_config_regression(name, "mosei")
    settings.update(
        {
            "device": torch.device("cpu"),
            "train_mode": "regression",
            "custom_feature": scratch / "features.pkl",
        }
    )
    settings.update(
        {
            "feature_T": "",
            "feature_A": "",
            "feature_V": "",
            "use_bert": False,
            "early_stop": epochs,
            "cur_seed": 1,
        }
    )
    settings.update({"model_save_path": scratch / "model.pth", "batch_size": 128})
    seen: list[float] = []  # when dev was measured, that is, an epoch was over
    trainer = type(ATIO().getTrain(settings))
    measure = trainer.do_test

    def watched(
        self: object, model: object, data: object, mode: str = "VAL", **others: object
    ) -> object:
        found = measure(self, model, data, mode, **others)
        if mode == "VAL":
            seen.append(time.perf_counter())
            if len(seen) >= epochs:
                settings["early_stop"] = 0  # it has no number of epochs, and would go on
        return found

    trainer.do_test = watched
    setup_seed(1)
    result = run._run(settings, num_workers=0)
    weights = torch.load(scratch / "model.pth")
    digest = hashlib.sha256(
        b"".join(value.numpy().tobytes() for value in weights.values())
    ).hexdigest()
    print(
        json.dumps(
            {
                "epoch_s": (seen[-1] - seen[0]) / (len(seen) - 1),
                "epochs": len(seen),
                "entry": entry,
                "accuracy": result["Has0_acc_2"],
                "digest": digest,
            }
        )
    )


if __name__ == "__main__":
    main()
