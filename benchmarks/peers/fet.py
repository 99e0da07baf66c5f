"""Runs in the environment of the peers: features by MMSA-FET. The last line of output is JSON.

peers/bin/python benchmarks/peers/fet.py CLIPS_CSV BERT_FOLDER SCRATCH [--sound-only]
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from MSA_FET import run_dataset


def main() -> None:
    clips, bert, scratch = (
        pd.read_csv(sys.argv[1], keep_default_na=False),
        sys.argv[2],
        Path(sys.argv[3]),
    )
    shutil.rmtree(scratch, ignore_errors=True)
    corpus = scratch / "corpus"
    for row in clips.itertuples():
        (corpus / "Raw" / row.utterance_id).mkdir(parents=True)
        if row.path:
            (corpus / "Raw" / row.utterance_id / "0.mp4").symlink_to(row.path)
    labels = pd.DataFrame(
        {
            "video_id": clips["utterance_id"],
            "clip_id": "0",
            "text": clips["text"],
            "mode": clips["split"],
        }
    )
    labels = labels.assign(
        label=0.0, label_T=np.nan, label_A=np.nan, label_V=np.nan, annotation="Neutral"
    )
    labels["mode"] = labels["mode"].replace("dev", "valid")
    labels.to_csv(corpus / "label.csv", index=False)
    sound = {
        "feature_set": "ComParE_2016",
        "feature_level": "Functionals",
        "start": None,
        "end": None,
    }
    config = {"audio": {"tool": "opensmile", "sample_rate": 16000, "args": sound}}
    if "--sound-only" not in sys.argv:
        config["text"] = {"model": "bert", "device": "cpu", "pretrained": bert, "args": {}}
    found = run_dataset(
        config,
        dataset_dir=corpus,
        num_workers=1,
        out_file=scratch / "features.pkl",
        tmp_dir=scratch / "t",
        log_dir=scratch,
    )
    rows = [
        (key, *(part[name][k] for name in ("audio", "text") if name in part))
        for part in (found or {}).values()
        for k, key in enumerate(part["id"])
    ]
    digest = hashlib.sha256(
        b"".join(
            value.tobytes()
            for _, *values in sorted(rows, key=lambda row: row[0])
            for value in values
        )
    ).hexdigest()
    done = {key.partition("$")[0] for key, *_ in rows}
    print(
        json.dumps(
            {
                "done": len(done),
                "failed": sorted(set(clips["utterance_id"]) - done),
                "digest": digest,
            }
        )
    )


if __name__ == "__main__":
    main()
