"""Training of MMSA on sequences.npz, in the environment of the peers. The last line is JSON.

    peers/bin/python benchmarks/peers/train_theirs.py ef_lstm|tfn SEQUENCES EPOCHS SCRATCH

MMSA's own entry point MMSA_run calls torch.cuda.set_device and fails on a machine without a GPU.
The function that it calls next works without one.
"""

import hashlib
import json
import pickle
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from MMSA import config, run
from MMSA.trains import ATIO
from MMSA.utils import setup_seed

NAMES = {"language": "text", "acoustic": "audio", "visual": "vision"}


def write_data(sequences: Mapping[str, np.ndarray], path: Path) -> None:
    """Write sequences in the format of MMSA."""
    data = {}
    for split in ("train", "valid", "test"):
        rows = {theirs: sequences[f"{split}_{ours}"] for ours, theirs in NAMES.items()}
        labels = sequences[f"{split}_labels"]
        rows["regression_labels"] = np.where(labels > 0, 2.0, -2.0).astype(np.float32)
        rows |= {"raw_text": [""] * len(labels), "id": [str(k) for k in range(len(labels))]}
        for modality in ("audio", "vision"):
            rows[f"{modality}_lengths"] = [rows[modality].shape[1]] * len(labels)
        data[split] = rows
    path.write_bytes(pickle.dumps(data))


def entry_point(name: str, scratch: Path) -> str:
    """Call MMSA_run; return "works" or the first line of its error."""
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
    except Exception as error:  # its message is shown with the result
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return "works"


def main() -> None:
    name, sequences = sys.argv[1], np.load(sys.argv[2])
    epochs, scratch = int(sys.argv[3]), Path(sys.argv[4])
    scratch.mkdir(parents=True, exist_ok=True)
    write_data(sequences, scratch / "features.pkl")
    entry = entry_point(name, scratch)
    settings = config.get_config_regression(name, "mosei")
    settings.update({"device": torch.device("cpu"), "train_mode": "regression"})
    settings.update({"custom_feature": scratch / "features.pkl", "use_bert": False})
    settings.update({"feature_T": "", "feature_A": "", "feature_V": ""})
    settings.update({"early_stop": epochs, "cur_seed": 1, "batch_size": 128})
    settings.update({"model_save_path": scratch / "model.pth"})
    ends: list[float] = []  # time of each measurement on dev, which ends an epoch
    trainer = type(ATIO().getTrain(settings))
    measure = trainer.do_test

    def watched(
        self: object, model: object, data: object, mode: str = "VAL", **others: object
    ) -> object:
        scores = measure(self, model, data, mode, **others)
        if mode == "VAL":
            ends.append(time.perf_counter())
            if len(ends) >= epochs:
                settings["early_stop"] = 0  # MMSA has no number of epochs, and would go on
        return scores

    trainer.do_test = watched
    setup_seed(1)
    result = run._run(settings, num_workers=0)
    weights = torch.load(scratch / "model.pth")
    digest = hashlib.sha256()
    for value in weights.values():
        digest.update(value.numpy().tobytes())
    times = {"epoch_s": (ends[-1] - ends[0]) / (len(ends) - 1), "epochs": len(ends)}
    scores = {"entry": entry, "accuracy": result["Has0_acc_2"], "digest": digest.hexdigest()}
    print(json.dumps(times | scores))


if __name__ == "__main__":
    main()
