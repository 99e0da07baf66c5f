"""Features by MMSA-FET, in the environment of the peers. The last line of output is JSON.

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
    clips = pd.read_csv(sys.argv[1], keep_default_na=False)
    bert, scratch = sys.argv[2], Path(sys.argv[3])
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
    smile = {"feature_set": "ComParE_2016", "feature_level": "Functionals"}
    smile |= {"start": None, "end": None}
    config = {"audio": {"tool": "opensmile", "sample_rate": 16000, "args": smile}}
    if "--sound-only" not in sys.argv:
        config["text"] = {"model": "bert", "device": "cpu", "pretrained": bert, "args": {}}
    splits = run_dataset(
        config,
        dataset_dir=corpus,
        num_workers=1,
        out_file=scratch / "features.pkl",
        tmp_dir=scratch / "t",
        log_dir=scratch,
    )
    rows = [
        (key, *(split[name][k] for name in ("audio", "text") if name in split))
        for split in (splits or {}).values()
        for k, key in enumerate(split["id"])
    ]
    digest = hashlib.sha256()
    for _, *values in sorted(rows, key=lambda row: row[0]):
        for value in values:
            digest.update(value.tobytes())
    done = {key.partition("$")[0] for key, *_ in rows}
    failed = sorted(set(clips["utterance_id"]) - done)
    print(json.dumps({"done": len(done), "failed": failed, "digest": digest.hexdigest()}))


if __name__ == "__main__":
    main()
