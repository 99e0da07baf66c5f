"""Features by the steps of this project, as Snakemake starts them, without Snakemake. The last line of output is JSON.

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
    own = json.dumps({"code": "benchmark", "media": params["media"]})
    merflow(
        "decode", "data/raw/meld/SOURCE.json", utterances, "--params", own, *shard, "--out", media
    )
    merflow("assemble", media, "--out", scratch / "media" / "audio" / "INDEX.json")
    digest, done = hashlib.sha256(), set()
    for feature in features:
        own = json.dumps({"code": "benchmark", f"features.{feature}": params["features"][feature]})
        source = (
            "data/checkpoints/bert/SOURCE.json"
            if feature.startswith("bert")
            else scratch / "media" / "audio" / "INDEX.json"
        )
        merflow(
            "extract",
            feature,
            utterances,
            source,
            "--params",
            own,
            *shard,
            "--out",
            scratch / f"{feature}-0.parquet",
        )
        store = scratch / f"{feature}.parquet"
        merflow("merge", scratch / f"{feature}-0.parquet", "--out", store)
        found = read_features(store)
        for _, values in sorted(found.items()):
            digest.update(values.tobytes())
        done = done & set(found) if done else set(found)
    everyone = set(pd.read_parquet(utterances, columns=["utterance_id"])["utterance_id"])
    print(
        json.dumps(
            {"done": len(done), "failed": sorted(everyone - done), "digest": digest.hexdigest()}
        )
    )


if __name__ == "__main__":
    main()
