"""The steps ``decode`` and ``assemble``: decode a corpus' clips in shards, and join these.

A part file holds one block of utterances (merflow.shards), so part files do not depend on the
number of shards. A killed job resumes after its last whole block. Joining shards means linking
files.
"""

import hashlib
import io
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import soundfile

from merflow import artifacts
from merflow.artifacts import SAMPLING_RATE
from merflow.errors import StoreError
from merflow.media.decode import Clip, decode
from merflow.media.frames import SAMPLINGS
from merflow.params import MediaParams, validated
from merflow.paths import DECODED, DEFECTS
from merflow.progress import log, track
from merflow.provenance import versions
from merflow.shards import blocks, share
from merflow.store import (
    link,
    read_table,
    whole_folder,
    write_index,
    write_json,
    write_table,
    write_text,
)

#: Folder in data/media/<corpus>/ -> columns of its part files.
SCHEMAS: dict[str, pa.Schema] = {
    "audio": artifacts.AUDIO,
    **dict.fromkeys(SAMPLINGS, artifacts.FRAMES),
}
BLOCK = 128  # utterances in a part file: the loss of a killed job, and what memory holds, encoded
LIBRARIES = ("av", "soundfile", "opencv-python-headless")
ORDER = "ORDER.json"  # in the folder of a shard: inputs, parameters and code of its part files


def decode_shard(
    table: Path,
    raw: Path,
    media: dict[str, Any],
    code: str,
    shard: int,
    shards: int,
    out: Path,
) -> None:
    """Decode the clips of one shard into part files beside `out`.

    Part files of an earlier, killed job stay if they have the same inputs, parameters and code. A
    clip that cannot be decoded never stops the others: it is absent, and a defect says why.

    Args:
        table: clips.parquet; or utterances.parquet, which has its columns.
        raw: folder that its columns ``clip`` and ``audio_clip`` are relative to.
        media: key ``media`` of params.yaml.
        code: digest of the code that decodes.
        shard: number of the shard, from 0.
        shards: number of shards.
        out: DONE.json, written last.

    Raises:
        ParamsError: `media` is invalid.
        StoreError: `table` cannot be read, or a part file not be written.
    """
    params = validated(MediaParams, media, "media")
    rows = read_table(table, artifacts.CLIPS)
    rows = rows.dropna(subset="clip").set_index("utterance_id").sort_index()
    every_block = blocks(rows.index.tolist(), BLOCK)
    ids = {number: every_block[number] for number in share(len(every_block), shard, shards)}
    spec = {"params": media, "code": code, "versions": versions(*LIBRARIES)}
    rows_digest = hashlib.sha256(rows.to_csv().encode()).hexdigest()
    files = (rows.loc[block, ["clip", "audio_clip"]] for block in ids.values())
    clips = (raw / name for block in files for name in block.stack().dropna())
    order = {"spec": spec, "utterances": rows_digest, "clips": _digest_of_files(clips)}
    folder = out.parent
    _remove_other_order(folder, order)
    todo = {number: block for number, block in ids.items() if not _defects(folder, number).exists()}
    n_clips = sum(map(len, todo.values()))
    progress = (n_clips, len(rows), shard, shards, len(todo), len(ids))
    log.info("decode: %d of %d clips in shard %d of %d, %d of %d blocks left", *progress)
    decoded = track(_decoded(raw, rows, todo.values(), params), "decode, clips", n_clips)
    for number, block in todo.items():
        _write_block(folder, number, islice(decoded, len(block)), spec)
    write_json(out, {"blocks": list(ids), "spec": spec, "utterances": rows_digest})


def _digest_of_files(paths: Iterable[Path]) -> str:
    """Digest of names, sizes and times of change: another file under an old name shows."""
    digest = hashlib.sha256()
    for path in paths:
        stat = path.stat() if path.exists() else None
        digest.update(f"{path.name} {stat and (stat.st_size, stat.st_mtime_ns)}\n".encode())
    return digest.hexdigest()


def _remove_other_order(folder: Path, order: dict[str, Any]) -> None:
    """Remove part files that have other inputs, parameters or code."""
    path = folder / ORDER
    if not path.exists() or json.loads(path.read_text(encoding="utf-8")) != order:
        _remove_parts(folder)
        write_json(path, order)


def _remove_parts(folder: Path) -> None:
    for name in (ORDER, DECODED):
        (folder / name).unlink(missing_ok=True)
    for name in (*SCHEMAS, "defects"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _part(folder: Path, name: str, number: int) -> Path:
    return folder / name / f"{number:05}.parquet"


def _defects(folder: Path, number: int) -> Path:
    """File of a block that is written last: if it exists, the block is whole."""
    return folder / "defects" / f"{number:05}.csv"


def _decoded(
    raw: Path, rows: pd.DataFrame, ids: Iterable[Sequence[str]], params: MediaParams
) -> Iterator[tuple[str, Clip]]:
    """Utterance id and clip, block after block."""
    for block in ids:
        for utterance_id in block:
            row = rows.loc[utterance_id]
            start_s, end_s = (
                None if pd.isna(row[name]) else float(row[name]) for name in ("start_s", "end_s")
            )
            audio = None if pd.isna(row["audio_clip"]) else raw / row["audio_clip"]
            yield utterance_id, decode(raw / row["clip"], start_s, end_s, params, audio)


def _write_block(
    folder: Path, number: int, clips: Iterable[tuple[str, Clip]], spec: dict[str, Any]
) -> None:
    """Write the part files of a block and the list of its defects."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in SCHEMAS}
    defects = []
    for utterance_id, clip in clips:
        key = {"utterance_id": utterance_id}
        if clip.audio is not None:
            values = _flac(clip.audio)
            rows["audio"].append(key | {"n_samples": len(clip.audio), "values": values})
        for name, frames in clip.frames.items():
            rows[name] += [
                key | {"frame": frame.index, "time_s": frame.time_s, "values": frame.data}
                for frame in frames
            ]
        defects += [replace(defect, utterance_id=utterance_id) for defect in clip.defects]
    for name, schema in SCHEMAS.items():
        table = pa.Table.from_pylist(rows.pop(name), schema=schema)
        write_table(_part(folder, name, number), table, schema, {"spec": spec})
    listed = pd.DataFrame(defects, columns=artifacts.DEFECTS.names)
    text = listed.to_csv(index=False, header=False, lineterminator="\n")
    write_text(_defects(folder, number), text)


def _flac(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLING_RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def assemble(shards: Sequence[Path], out: Path) -> None:
    """Move the part files of all shards to `out`.

    Args:
        shards: folders of the shards, each with its DONE.json, in order.
        out: data/media/<corpus>. Made in it: audio/, and a folder per sampling of frames, each
            with INDEX.json, and defects.csv.

    Raises:
        StoreError: a shard or part file is missing, shards do not belong together, or `out` cannot
            be written.
    """
    parts, spec = _parts(shards)
    lines = [_defects(*part).read_text(encoding="utf-8") for part in parts]
    defects = ",".join(artifacts.DEFECTS.names) + "\n" + "".join(lines)
    for name, schema in SCHEMAS.items():
        with whole_folder(out / name) as new:
            for folder, number in parts:
                link(_part(folder, name, number), new / f"{number:05}.parquet")
            write_index(new, schema, spec)
    write_text(out / DEFECTS, defects)
    kinds = Counter(pd.read_csv(io.StringIO(defects), usecols=["kind"])["kind"])
    listed = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    log.info("%s: defects: %s", out, listed or "none")
    for folder in shards:
        _remove_parts(folder)


def _parts(shards: Sequence[Path]) -> tuple[list[tuple[Path, int]], dict[str, Any]]:
    """Check that shards are whole and belong together.

    Returns:
        Folder and number of every block, in order, and the spec that all shards share.
    """
    records = [_read_record(folder) for folder in shards]
    first = records[0]
    for folder, record in zip(shards, records, strict=True):
        if (record["spec"], record["utterances"]) != (first["spec"], first["utterances"]):
            raise StoreError(
                f"{folder}: other parameters, code, libraries or utterances than in {shards[0]}; "
                "delete both and run again"
            )
    parts = [
        (folder, number)
        for folder, record in zip(shards, records, strict=True)
        for number in record["blocks"]
    ]
    numbers = [number for _, number in parts]
    if numbers != list(range(len(parts))):
        raise StoreError(
            f"{shards[0].parent}: blocks {numbers} in the shards, expected each once; "
            "run all shards"
        )
    paths = [_part(folder, name, number) for name in SCHEMAS for folder, number in parts]
    paths += [_defects(*part) for part in parts]
    if missing := next((path for path in paths if not path.exists()), None):
        raise StoreError(f"{missing}: a part is missing; delete {shards[0].parent} and run again")
    return parts, first["spec"]


def _read_record(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / DECODED).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StoreError(
            f"{folder}: no {DECODED} in it: the shard is not whole; run it again"
        ) from error
