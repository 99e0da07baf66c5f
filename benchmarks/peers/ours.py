"""Features by the commands that Snakemake starts, without it. The last line of output is JSON.

python benchmarks/peers/ours.py SCRATCH FEATURE...
"""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml

from merflow.store import read_features


def merflow(*arguments: object) -> None:
    subprocess.run(["merflow", *map(str, arguments)], check=True, stderr=subprocess.DEVNULL)


def main() -> None:
    scratch, features = Path(sys.argv[1]), sys.argv[2:]
    shutil.rmtree(scratch, ignore_errors=True)
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    utterances, shard = Path("data/corpora/meld/utterances.parquet"), ("--shard", 0, "--shards", 1)
    media = scratch / "shard" / "DONE.json"
    index = scratch / "media" / "audio" / "INDEX.json"
    values = json.dumps({"code": "benchmark", "media": params["media"]})
    raw = "data/raw/meld/SOURCE.json"
    merflow("decode", raw, utterances, "--params", values, *shard, "--out", media)
    merflow("assemble", media, "--out", index)
    digest, done = hashlib.sha256(), set()
    for feature in features:
        slice_ = {"code": "benchmark", f"features.{feature}": params["features"][feature]}
        values = json.dumps(slice_)
        of_text = feature.startswith("bert")
        source = "data/checkpoints/bert/SOURCE.json" if of_text else index
        part, store = scratch / f"{feature}-0.parquet", scratch / f"{feature}.parquet"
        merflow("extract", feature, utterances, source, "--params", values, *shard, "--out", part)
        merflow("merge", part, "--out", store)
        arrays = read_features(store)
        for _, array in sorted(arrays.items()):
            digest.update(array.tobytes())
        done = done & set(arrays) if done else set(arrays)
    ids = set(pd.read_parquet(utterances, columns=["utterance_id"])["utterance_id"])
    failed = sorted(ids - done)
    print(json.dumps({"done": len(done), "failed": failed, "digest": digest.hexdigest()}))


if __name__ == "__main__":
    main()
