"""The steps ``decode`` and ``assemble``: all clips of a corpus, decoded in shards, as Parquet parts that do not depend on them.

A part holds one block of utterances (merflow.shards), so that a killed job goes on behind its last whole block, and putting shards
together means linking files.
"""

import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
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
from merflow.media.pictures import SAMPLINGS
from merflow.params import MediaParams, validated
from merflow.progress import log, track
from merflow.provenance import versions
from merflow.shards import blocks, share
from merflow.store import link, read_table, write_index, write_json, write_table, write_text

#: Folder in data/media/<corpus>/ -> columns of its parts.
SCHEMAS: dict[str, pa.Schema] = {
    "audio": artifacts.AUDIO,
    **dict.fromkeys(SAMPLINGS, artifacts.FRAMES),
}
BLOCK = 128  # utterances in a part: what a killed job loses at most, and what memory holds, encoded
LIBRARIES = ("av", "soundfile", "opencv-python-headless")
DONE, ORDER = (
    "DONE.json",
    "ORDER.json",
)  # in the folder of a shard: it is whole; what its parts are made of and with


def decode_shard(
    utterances: Path,
    raw: Path,
    media: dict[str, Any],
    code: str,
    shard: int,
    shards: int,
    out: Path,
) -> None:
    """Decode the clips of one shard into parts beside `out`; those of an earlier, killed job stay if they are of the same order.

    A clip that cannot be decoded never stops the others: what it lacks is absent, and a defect says why.

    Args:
        utterances: utterances.parquet.
        raw: folder that its column ``clip`` is relative to.
        media: block ``media`` of params.yaml.
        code: digest of the code that decodes.
        shard: from 0.
        shards: number of shards.
        out: DONE.json, written last.

    Raises:
        ParamsError: `media` cannot be.
        StoreError: `utterances` cannot be read, or a part not be written.
    """
    params = validated(MediaParams, media, "media")
    rows = read_table(
        utterances, artifacts.UTTERANCES, ["utterance_id", "clip", "start_s", "end_s"]
    )
    rows = rows.dropna(subset="clip").set_index("utterance_id").sort_index()
    members = blocks(rows.index.tolist(), BLOCK)
    mine = share(len(members), shard, shards)
    order: dict[str, Any] = {
        "spec": {"params": media, "code": code, "versions": versions(*LIBRARIES)},
        "utterances": hashlib.sha256(rows.to_csv().encode()).hexdigest(),
        "clips": _digest_of_files(
            raw / clip for number in mine for clip in rows.loc[members[number], "clip"]
        ),
    }
    folder = out.parent
    _accept(folder, order)
    todo = [number for number in mine if not _defects(folder, number).exists()]
    ids = list(chain.from_iterable(members[number] for number in todo))
    log.info(
        "decode: %d of %d clips in shard %d of %d, %d of %d blocks left",
        len(ids),
        len(rows),
        shard,
        shards,
        len(todo),
        len(mine),
    )
    clips = track(
        (_decode(raw, rows.loc[utterance_id], params) for utterance_id in ids),
        "decode, clips",
        len(ids),
    )
    for number in todo:
        _write_block(
            folder,
            number,
            zip(members[number], islice(clips, len(members[number])), strict=True),
            order["spec"],
        )
    write_json(
        out, {"blocks": list(mine), "spec": order["spec"], "utterances": order["utterances"]}
    )


def _digest_of_files(paths: Iterator[Path]) -> str:
    """Of names, sizes and times of change: another file under an old name shows."""
    seen = hashlib.sha256()
    for path in paths:
        stat = path.stat() if path.exists() else None
        seen.update(f"{path.name} {stat and (stat.st_size, stat.st_mtime_ns)}\n".encode())
    return seen.hexdigest()


def _accept(folder: Path, order: dict[str, Any]) -> None:
    """Remove parts of another order."""
    sign = folder / ORDER
    if not sign.exists() or json.loads(sign.read_text(encoding="utf-8")) != order:
        _remove_parts(folder)
        write_json(sign, order)


def _remove_parts(folder: Path) -> None:
    for name in (ORDER, DONE):
        (folder / name).unlink(missing_ok=True)
    for name in (*SCHEMAS, "defects"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _defects(folder: Path, number: int) -> Path:
    """The last file of a block to be written: where it is, the block is whole."""
    return folder / "defects" / f"{number:05}.csv"


def _decode(raw: Path, row: pd.Series, params: MediaParams) -> Clip:
    start_s, end_s = (
        None if pd.isna(row[name]) else float(row[name]) for name in ("start_s", "end_s")
    )
    return decode(raw / row["clip"], start_s, end_s, params)


def _write_block(
    folder: Path, number: int, clips: Iterator[tuple[str, Clip]], spec: dict[str, Any]
) -> None:
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in SCHEMAS}
    defects = []
    for utterance_id, clip in clips:
        if clip.sound is not None:
            rows["audio"].append(
                {
                    "utterance_id": utterance_id,
                    "n_samples": len(clip.sound),
                    "values": _flac(clip.sound),
                }
            )
        for name, pictures in clip.pictures.items():
            rows[name].extend(
                {
                    "utterance_id": utterance_id,
                    "frame": p.frame,
                    "time_s": p.time_s,
                    "values": p.data,
                }
                for p in pictures
            )
        defects += [replace(defect, utterance_id=utterance_id) for defect in clip.defects]
    for name, schema in SCHEMAS.items():
        table = pa.Table.from_pylist(rows.pop(name), schema=schema)
        write_table(folder / name / f"{number:05}.parquet", table, schema, {"spec": spec})
    listed = pd.DataFrame(defects, columns=artifacts.DEFECTS.names)
    write_text(
        _defects(folder, number), listed.to_csv(index=False, header=False, lineterminator="\n")
    )


def _flac(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLING_RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def assemble(shards: Sequence[Path], out: Path) -> None:
    """Put the parts of all shards together, and remove them from there.

    Args:
        shards: folders of the shards, each with its DONE.json, in order.
        out: data/media/<corpus>: audio/, frames_every10/ and frames_15/, each with INDEX.json, and defects.csv are made in it.

    Raises:
        StoreError: a shard or part is missing, shards do not belong together, or `out` cannot be written.
    """
    signs = [_sign(folder) for folder in shards]
    for folder, sign in zip(shards, signs, strict=True):
        if (sign["spec"], sign["utterances"]) != (signs[0]["spec"], signs[0]["utterances"]):
            raise StoreError(
                f"{folder}: other parameters, code, libraries or utterances than in {shards[0]}; delete both and run again"
            )
    parts = [
        (folder, number)
        for folder, sign in zip(shards, signs, strict=True)
        for number in sign["blocks"]
    ]
    if [number for _, number in parts] != list(range(len(parts))):
        raise StoreError(
            f"{shards[0].parent}: blocks {[number for _, number in parts]} in the shards, expected each once; run all shards"
        )
    paths = [folder / name / f"{number:05}.parquet" for name in SCHEMAS for folder, number in parts]
    if missing := next(
        (path for path in [*paths, *(_defects(*part) for part in parts)] if not path.exists()), None
    ):
        raise StoreError(f"{missing}: a part is missing; delete {shards[0].parent} and run again")
    defects = (
        ",".join(artifacts.DEFECTS.names)
        + "\n"
        + "".join(_defects(*part).read_text(encoding="utf-8") for part in parts)
    )
    try:
        for name, schema in SCHEMAS.items():
            _gather(name, schema, parts, out, signs[0]["spec"])
    except OSError as error:
        raise StoreError(f"{out}: cannot be written ({error.strerror or error})") from error
    write_text(out / "defects.csv", defects)
    kinds = (
        pd.read_csv(io.StringIO(defects), usecols=["kind"])["kind"]
        .value_counts(sort=False)
        .sort_index()
    )
    log.info(
        "%s: defects: %s",
        out,
        ", ".join(f"{kind} {count}" for kind, count in kinds.items()) or "none",
    )
    for folder in shards:
        _remove_parts(folder)


def _sign(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / DONE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StoreError(
            f"{folder}: no {DONE} in it: the shard is not whole; run it again"
        ) from error


def _gather(
    name: str, schema: pa.Schema, parts: list[tuple[Path, int]], out: Path, spec: dict[str, Any]
) -> None:
    """Make the folder `name` of linked parts beside the old one, then change them over."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{name}.", suffix=".part", dir=out, ignore_cleanup_errors=True
    ) as temporary:
        new = Path(temporary) / name
        new.mkdir()
        for folder, number in parts:
            link(folder / name / f"{number:05}.parquet", new / f"{number:05}.parquet")
        write_index(new, schema, spec)
        shutil.rmtree(out / name, ignore_errors=True)
        new.replace(out / name)
