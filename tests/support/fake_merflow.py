#!/usr/bin/env python3
"""Stand-in for `merflow` in tests of orchestration: each step writes its outputs from its inputs.

Output bytes depend on the bytes of inputs and on parameters, so a stale artifact shows. They do not
depend on the digest of code, as after an edit that changes no behaviour. Every call is a line in
$FAKE_LOG.
"""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

arguments = sys.argv[1:]
STEPS = {
    "fetch",
    "prepare",
    "checkpoint",
    "decode",
    "assemble",
    "extract",
    "merge",
    "train",
    "gather",
}
STEPS |= {"score", "tables", "sheet", "report"}
PAPERS = ("class_weight_lstm", "deepmsi_mer", "joint_cnn", "mel_cnn_bert", "weighted_late_fusion")


def folder_of(params):
    """Folder of the user that the steps fetch and checkpoint copy; None if there is none."""
    for key, value in params.items():
        folder = (
            value if key.endswith(".source") else isinstance(value, dict) and value.get("folder")
        )
        if step in ("fetch", "checkpoint") and folder not in (None, False, "demo"):
            return Path(folder)
    return None


step = next(argument for argument in arguments if argument in STEPS)
out = Path(arguments[arguments.index("--out") + 1])
with Path(os.environ["FAKE_LOG"]).open("a") as log:
    log.write(f"{step} {out}\n")
if {step, *out.parts} & set(os.environ.get("FAKE_FAIL", "").split()):  # a step, or a folder
    error = f"error: {step} [b] was told to fail"
    Path(arguments[arguments.index("--log") + 1]).write_text(f"{error}\n")
    sys.exit(error)
if step in os.environ.get("FAKE_MEMORY", "").split():  # as the kernel does for want of memory
    os.kill(os.getpid(), signal.SIGKILL)
if step in os.environ.get("FAKE_SLEEP", "").split():
    time.sleep(5)
if step in os.environ.get("FAKE_HANG", "").split():
    signal.pause()

if megabytes := os.environ.get("FAKE_MEGABYTES"):  # a large file, written as the real steps do
    from merflow.errors import StoreError
    from merflow.store import whole

    try:
        with whole(out) as partial_path:
            partial_path.write_bytes(bytes(int(megabytes) * 2**20))
    except StoreError as error:
        sys.exit(f"error: {error}")

sha, keep_weights = hashlib.sha256(), False
for argument in arguments[2:]:  # without --log FILE
    if argument.startswith("{"):
        values = json.loads(argument)
        params = {key: value for key, value in values.items() if key not in ("code", "files")}
        sha.update(json.dumps(params, sort_keys=True).encode())
        keep_weights = any(params[key] for key in params if key.startswith("keep_weights."))
        folder = folder_of(params)
        for file in sorted(folder.rglob("*")) if folder else []:
            sha.update(file.read_bytes() if file.is_file() else b"")
    elif argument != str(out):
        path = Path(argument)
        for file in sorted(path.glob("*")) if path.is_dir() else [path] if path.is_file() else []:
            sha.update(file.read_bytes())
            keep_weights |= step == "gather" and file.name == "weights.txt"
if step == "train":  # makes a folder
    out /= "predictions.parquet"
siblings = {
    "prepare": ["clips.parquet", "splits.parquet", "defects.csv"],
    "assemble": [
        *("../frames_every10/INDEX.json", "../frames_15/INDEX.json", "../frames_dense/INDEX.json"),
        "../defects.csv",
    ],
    "train": ["weights.txt"] * keep_weights,
    "gather": ["run.json", *(["weights/0-1.safetensors"] * keep_weights)],
    "tables": [f"{folder}/tables.html" for folder in ("overall", *PAPERS)],
}.get(step, [])
digests = dict.fromkeys(["clips.parquet", "utterances.parquet", "splits.parquet"], sha.hexdigest())
table = step == "prepare" and next(iter(params.values())).get("annotations")
if table:  # clips may be other ones without a change of utterances, and the other way round
    rows = [line.partition(",") for line in Path(table).read_text().splitlines()]
    digests = {name: hashlib.sha256(str(rows).encode()).hexdigest() for name in digests}
    clips = str([clip for clip, _, _ in rows])
    digests["clips.parquet"] = hashlib.sha256(clips.encode()).hexdigest()
for path in [out, *(Path(os.path.normpath(out.parent / name)) for name in siblings)]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(f"{path.name} {digests.get(path.name, sha.hexdigest())}\n")
