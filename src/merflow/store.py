"""The only reader and writer of Parquet artifacts: whole or absent, never half.

A file is written under a temporary name in its own folder and renamed at the end, so a killed run or a full
disk leaves what was there before. Feature arrays are stored as C-order little-endian bytes in one
``large_binary`` column: 32 random utterances of a 10,000-utterance store come back in 16 ms, list columns
take 124-242 ms (docs/performance.md).
"""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from merflow import artifacts
from merflow.errors import StoreError

ROW_GROUP = 128  # utterances; small groups make random access cheap


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it only if the block ends well.

    Raises:
        StoreError: no space is left, or the folder cannot be written; `path` keeps its earlier content.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _unwritten(path, error) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _unwritten(path: Path, error: OSError) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(f"{path}: no space left on the disk; free some and run again (nothing was changed)")
    return StoreError(f"{path}: cannot be written ({error.strerror or error})")


def write_table(path: Path, table: pd.DataFrame | pa.Table, schema: pa.Schema, metadata: Mapping[str, Any] | None = None) -> None:
    """Write `table` with exactly the columns of `schema`; `metadata` values are stored as JSON.

    Raises:
        StoreError: a column is missing, has another type or a null where none may be.
    """
    try:
        if isinstance(table, pd.DataFrame):
            table = pa.Table.from_pandas(table, schema=schema, preserve_index=False)
        else:
            table = table.select(schema.names).cast(schema)
    except (KeyError, ValueError, TypeError, pa.ArrowException) as error:
        raise StoreError(f"{path}: the table does not fit its columns: {error}") from error
    for field in schema:
        if not field.nullable and table[field.name].null_count:
            raise StoreError(f"{path}: column {field.name} holds {table[field.name].null_count} empty values, none may be")
    packed = {key: json.dumps(value, sort_keys=True) for key, value in (metadata or {}).items()}
    with whole(path) as part:
        pq.write_table(
            table.replace_schema_metadata(packed),
            part,
            compression="none",
            row_group_size=ROW_GROUP if "values" in schema.names else None,
            use_dictionary=[field.name for field in schema if field.name != "values" and pa.types.is_string(field.type)],
            write_statistics=["utterance_id"] if "utterance_id" in schema.names else True,
        )


def _open(path: Path, schema: pa.Schema) -> pq.ParquetFile:
    if not Path(path).exists():
        raise StoreError(f"{path}: no such file; build it with `snakemake --cores 2 -- {path}`")
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise StoreError(f"{path}: not a readable Parquet file ({error}); delete it and run again") from error
    if missing := set(schema.names) - set(file.schema_arrow.names):
        raise StoreError(f"{path}: columns {sorted(missing)} are missing; delete it and run again")
    return file


def read_table(path: Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read an artifact (all columns, or `columns` of it).

    Raises:
        StoreError: the file is absent, unreadable or lacks a column of `schema`.
    """
    with _open(path, schema) as file:
        return file.read(columns=list(columns or schema.names)).to_pandas()


def read_metadata(path: Path, schema: pa.Schema) -> dict[str, Any]:
    """What was stored beside the rows (JSON values), without reading the rows."""
    with _open(path, schema) as file:
        packed = file.schema_arrow.metadata or {}
    return {key.decode(): json.loads(value) for key, value in packed.items() if not key.startswith((b"ARROW", b"pandas"))}


def write_features(path: Path, features: Iterable[tuple[str, np.ndarray]], spec: Mapping[str, Any]) -> None:
    """Write a feature store, sorted by utterance id.

    Args:
        features: (utterance id, array of shape (n_frames, dim)); one dtype and dim for all.
        spec: what made the values (feature name, parameters, code digest, library and checkpoint versions).
    """
    rows = sorted(features, key=lambda row: row[0])
    shapes = {(array.shape[1:], array.dtype.str) for _, array in rows}
    if len(shapes) > 1 or any(array.ndim != 2 for _, array in rows):
        raise StoreError(f"{path}: arrays must be (n_frames, dim) of one dim and dtype, found {sorted(map(str, shapes))}")
    ids = [utterance_id for utterance_id, _ in rows]
    if len(set(ids)) != len(ids):
        raise StoreError(f"{path}: an utterance id occurs twice")
    table = pa.table(
        {
            "utterance_id": ids,
            "n_frames": pa.array([len(array) for _, array in rows], pa.int32()),
            "values": pa.array([np.ascontiguousarray(array).tobytes() for _, array in rows], pa.large_binary()),
        }
    )
    (dim, dtype) = (rows[0][1].shape[1], rows[0][1].dtype.str) if rows else (0, "<f4")
    write_table(path, table, artifacts.FEATURES, {"dim": dim, "dtype": dtype, "spec": dict(spec)})


def read_features(path: Path, ids: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Feature arrays (n_frames, dim) by utterance id; all, or those of `ids`.

    Raises:
        StoreError: the store is absent or broken, or an asked-for utterance is not in it.
    """
    meta = read_metadata(path, artifacts.FEATURES)
    filters = None if ids is None else [("utterance_id", "in", list(ids))]
    table = pq.read_table(path, filters=filters)
    arrays = {
        utterance_id: np.frombuffer(values.as_buffer(), dtype=meta["dtype"]).reshape(-1, meta["dim"])
        for utterance_id, values in zip(table["utterance_id"].to_pylist(), table["values"], strict=True)
    }
    if ids is not None and (missing := set(ids) - set(arrays)):
        raise StoreError(f"{path}: {len(missing)} utterances are not in the store, the first is {min(missing)}")
    return arrays


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text (UTF-8) whole or not at all."""
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")


def write_folder(path: Path, files: Mapping[str, str]) -> None:
    """Make the folder hold exactly `files` (relative path -> text); until all are written it keeps what it held.

    Raises:
        StoreError: no space is left, or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", suffix=".part", dir=path.parent, ignore_cleanup_errors=True) as part:
            new = Path(part) / path.name
            for name, text in files.items():
                (new / name).parent.mkdir(parents=True, exist_ok=True)
                (new / name).write_text(text, encoding="utf-8")
            shutil.rmtree(path, ignore_errors=True)
            new.replace(path)
    except OSError as error:
        raise _unwritten(path, error) from error
