"""The only reader and writer of Parquet artifacts: whole or absent, never half.

A file is written under a temporary name in its own folder and renamed at the end, so a killed run or a full
disk leaves what was there before. Feature arrays are stored as C-order little-endian bytes in one
``large_binary`` column: 32 random utterances of a 10,000-utterance store come back in 16 ms, list columns
take 124-242 ms (docs/performance.md).
"""

import errno
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from merflow import artifacts
from merflow.errors import StoreError
from merflow.paths import INDEX

ROW_GROUP = 128  # utterances; small groups make random access cheap
GROUP_BYTES = 32 * 2**20  # and bound the memory of a reader


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


@contextmanager
def whole_folder(path: Path, read_only: bool = False) -> Iterator[Path]:
    """Yield an empty folder beside `path` that replaces it only if the block ends well.

    Args:
        path: folder to make; until it is replaced, it keeps its earlier content.
        read_only: make the files read-only; folders stay writable, for DVC and `rm`.

    Raises:
        StoreError: no space is left, or the folder cannot be written.
    """
    new = path.with_name(f".{path.name}.part")
    try:
        old = _former(path)
        if old.exists() and not path.exists():
            old.rename(path)  # an earlier process was killed between the renames of replace_folder
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        yield new
        for file in new.rglob("*") if read_only else ():
            if file.is_file():
                file.chmod(0o444)
        replace_folder(new, path)
    except OSError as error:
        raise _unwritten(path, error) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def replace_folder(new: Path, path: Path) -> None:
    """Rename the folder `new` to `path`, in the place of an earlier folder of that name."""
    old = _former(path)
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    new.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def _former(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _unwritten(path: Path, error: OSError) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"{path}: no space left on the disk; free some and run again (nothing was changed)"
        )
    return StoreError(f"{path}: cannot be written ({error.strerror or error})")


def write_table(
    path: Path,
    table: pd.DataFrame | pa.Table,
    schema: pa.Schema,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write `table` with exactly the columns of `schema`; `metadata` values are stored as JSON. An absent column that may be null is.

    Raises:
        StoreError: a column is missing, has another type or a null where none may be.
    """
    try:
        if not isinstance(table, pa.Table):
            table = table.assign(
                **{
                    field.name: None
                    for field in schema
                    if field.nullable and field.name not in table
                }
            )
            table = pa.Table.from_pandas(table, schema=schema, preserve_index=False)
        else:
            table = table.select(schema.names).cast(schema)
    except (KeyError, ValueError, TypeError, pa.ArrowException) as error:
        raise StoreError(f"{path}: the table does not fit its columns: {error}") from error
    for field in schema:
        if not field.nullable and table[field.name].null_count:
            raise StoreError(
                f"{path}: column {field.name} holds {table[field.name].null_count} empty values, none may be"
            )
    packed = {key: json.dumps(value, sort_keys=True) for key, value in (metadata or {}).items()}
    with whole(path) as part:
        pq.write_table(
            table.replace_schema_metadata(packed),
            part,
            compression="none",
            row_group_size=ROW_GROUP if "values" in schema.names else None,
            use_dictionary=[
                field.name
                for field in schema
                if field.name != "values" and pa.types.is_string(field.type)
            ],
            write_statistics=["utterance_id"] if "utterance_id" in schema.names else True,
        )


def _open(path: Path, schema: pa.Schema) -> pq.ParquetFile:
    if not Path(path).exists():
        raise StoreError(f"{path}: no such file; build it with `snakemake --cores 2 -- {path}`")
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise StoreError(
            f"{path}: not a readable Parquet file ({error}); delete it and run again"
        ) from error
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
        packed = file.metadata.metadata or {}
    return {
        key.decode(): json.loads(value)
        for key, value in packed.items()
        if not key.startswith((b"ARROW", b"pandas"))
    }


def write_features(
    path: Path,
    features: Iterable[tuple[str, np.ndarray]],
    spec: Mapping[str, Any],
    defects: Callable[[], list] = list,
) -> None:
    """Write a feature store row group by row group: memory does not grow with the corpus.

    Args:
        path: file to write.
        features: (utterance id, array of shape (n_frames, dim)) in ascending order of ids; one dtype and dim for all, finite.
        spec: what made the values (feature name, parameters, code digest, library and checkpoint versions).
        defects: asked at the end for what was found while `features` were made (JSON values).

    Raises:
        StoreError: ids not ascending, another shape or dtype, a value that is not finite, or `path` cannot be written.
    """
    rows = iter(features)
    first = next(rows, None)
    dim, dtype = (0, "<f4") if first is None else (first[1].shape[-1], first[1].dtype.str)
    fixed = {"dim": dim, "dtype": dtype, "spec": dict(spec)}
    schema = artifacts.FEATURES.with_metadata(
        {key: json.dumps(value, sort_keys=True) for key, value in fixed.items()}
    )
    with (
        whole(path) as part,
        pq.ParquetWriter(
            part,
            schema,
            compression="none",
            use_dictionary=False,
            write_statistics=["utterance_id"],
        ) as file,
    ):
        group: list[tuple[str, np.ndarray]] = []
        size, last = 0, ""
        for utterance_id, array in itertools.chain([] if first is None else [first], rows):
            if array.ndim != 2 or (array.shape[1], array.dtype.str) != (dim, dtype):
                found = f"{array.shape} of {array.dtype.str}"
                raise StoreError(
                    f"{path}: {utterance_id}: an array {found}; expected (n_frames, {dim}) of {dtype}"
                )
            if utterance_id <= last:
                raise StoreError(f"{path}: {utterance_id} after {last}: ids must ascend")
            if not np.isfinite(array).all():
                raise StoreError(
                    f"{path}: {utterance_id}: a value is not finite; the extractor must not let it through"
                )
            last, size = utterance_id, size + array.nbytes
            group.append((utterance_id, array))
            if len(group) == ROW_GROUP or size >= GROUP_BYTES:
                file.write_table(_rows(group, schema))
                group, size = [], 0
        if group:
            file.write_table(_rows(group, schema))
        file.add_key_value_metadata({"defects": json.dumps(defects(), sort_keys=True)})


def _rows(group: list[tuple[str, np.ndarray]], schema: pa.Schema) -> pa.Table:
    ids, arrays = zip(*group, strict=True)
    lengths = pa.array([len(array) for array in arrays], pa.int32())
    values = pa.array(
        [np.ascontiguousarray(array).tobytes() for array in arrays], pa.large_binary()
    )
    return pa.table([pa.array(ids), lengths, values], schema=schema)


def read_features(path: Path, ids: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Feature arrays (n_frames, dim) by utterance id; all, or those of `ids`. They are views of Arrow's buffers, read-only.

    Raises:
        StoreError: the store is absent or broken, or an asked-for utterance is not in it.
    """
    meta = read_metadata(path, artifacts.FEATURES)
    filters = None if ids is None else [("utterance_id", "in", list(ids))]
    arrays = dict(_arrays(pq.read_table(path, filters=filters), meta))
    if ids is not None and (missing := set(ids) - set(arrays)):
        raise StoreError(
            f"{path}: {len(missing)} utterances are not in the store, the first is {min(missing)}"
        )
    return arrays


def iterate_features(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """(utterance id, array) of a whole store in order, one row group in memory at a time.

    Raises:
        StoreError: the store is absent or broken.
    """
    meta = read_metadata(path, artifacts.FEATURES)
    with _open(path, artifacts.FEATURES) as file:
        for number in range(file.num_row_groups):
            yield from _arrays(pa.table(file.read_row_group(number)), meta)


def scan_features(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """A whole store for training: ids, all frames one after the other (total, dim), and where each utterance starts (n + 1,).

    The frames of utterance i are ``values[starts[i]:starts[i + 1]]``. Arrow puts the bytes of the column one after the other, and
    `values` is a view of them, read-only.

    Raises:
        StoreError: the store is absent or broken.
    """
    meta = read_metadata(path, artifacts.FEATURES)
    table = pq.read_table(path, memory_map=True).combine_chunks()
    values = (
        _flat(table["values"].chunk(0), meta)
        if len(table)
        else np.empty((0, meta["dim"]), meta["dtype"])
    )
    starts = np.concatenate([[0], np.cumsum(table["n_frames"].to_numpy(), dtype=np.int64)])
    return table["utterance_id"].to_pylist(), values, starts


def _flat(chunk: pa.LargeBinaryArray, meta: Mapping[str, Any]) -> np.ndarray:
    offsets = np.frombuffer(chunk.buffers()[1], dtype=np.int64)[
        chunk.offset : chunk.offset + len(chunk) + 1
    ]
    held = np.frombuffer(chunk.buffers()[2] or b"", dtype=np.uint8)[offsets[0] : offsets[-1]]
    return held.view(meta["dtype"]).reshape(-1, meta["dim"])


def _arrays(table: pa.Table, meta: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    for utterance_id, values in zip(
        table["utterance_id"].to_pylist(), table["values"], strict=True
    ):
        yield (
            utterance_id,
            np.frombuffer(values.as_buffer(), dtype=meta["dtype"]).reshape(-1, meta["dim"]),
        )


def write_index(folder: Path, schema: pa.Schema, spec: Mapping[str, Any]) -> None:
    """Write INDEX.json, the sign that `folder` is whole: its parts (*.parquet of `schema`, rows in ascending order of ids) and `spec`."""
    parts = []
    for part in sorted(folder.glob("*.parquet")):
        ids = read_table(part, schema, ["utterance_id"])["utterance_id"]
        if len(ids):
            parts.append(
                {
                    "name": part.name,
                    "rows": len(ids),
                    "utterances": ids.nunique(),
                    "first": ids.iloc[0],
                    "last": ids.iloc[-1],
                }
            )
    write_json(folder / INDEX, {"parts": parts, "spec": dict(spec)})


def read_index(folder: Path) -> dict[str, Any]:
    """What `write_index` wrote: ``parts`` and ``spec``.

    Raises:
        StoreError: the folder is absent or not whole.
    """
    try:
        return json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StoreError(
            f"{folder}: no INDEX.json in it; build it with `snakemake --cores 2 -- {folder}/INDEX.json`"
        ) from error


def read_parts(
    folder: Path,
    schema: pa.Schema,
    ids: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Rows of a folder of parts, all or those of `ids`; only parts that may hold them are opened.

    Raises:
        StoreError: the folder is not whole, or a part is unreadable.
    """
    columns = list(columns or schema.names)
    low, high = ("", None) if ids is None else (min(ids, default=""), max(ids, default=""))
    found = [schema.empty_table().select(columns)]
    for part in read_index(folder)["parts"]:
        if high is None or (part["first"] <= high and part["last"] >= low):
            path = folder / part["name"]
            with _open(path, schema):  # says what is wrong with it
                filters = None if ids is None else [("utterance_id", "in", list(ids))]
                found.append(pq.read_table(path, columns=columns, filters=filters))
    return pa.concat_tables(found).to_pandas()


class Parts:
    """Rows of a folder of parts by utterance, read when they are asked for: what is held in memory is where they lie.

    Attributes:
        ids: of all utterances, ascending.
    """

    def __init__(self, folder: Path, schema: pa.Schema):
        """Read where each utterance lies.

        Raises:
            StoreError: the folder is not whole, or a part is unreadable.
        """
        self._files = [_open(folder / part["name"], schema) for part in read_index(folder)["parts"]]
        self._lie: dict[
            str, list[tuple[int, int, int, int]]
        ] = {}  # file, row group, first row in it and the one after the last
        for number, file in enumerate(self._files):
            for group in range(file.num_row_groups):
                names = np.array(
                    file.read_row_group(group, columns=["utterance_id"])["utterance_id"].to_pylist()
                )
                edges = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(names)]
                for start, stop in itertools.pairwise(edges):
                    self._lie.setdefault(str(names[start]), []).append((number, group, start, stop))
        self.ids = list(self._lie)

    def read(self, utterance_id: str, column: str) -> list[Any]:
        """A column of the rows of an utterance, in their order."""
        found: list[Any] = []
        for number, group, start, stop in self._lie[utterance_id]:
            rows = self._files[number].read_row_group(group, columns=[column])
            found += rows[column].slice(start, stop - start).to_pylist()
        return found


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text (UTF-8) whole or not at all."""
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")


def write_folder(path: Path, files: Mapping[str, str | bytes]) -> None:
    """Replace a folder by `files` (relative path -> text or bytes), whole or not at all.

    Raises:
        StoreError: no space is left, or the folder cannot be written.
    """
    with whole_folder(path) as folder:
        for name, content in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)


def link(source: Path, target: Path) -> None:
    """A second name for a file, or a copy where the file system has no links between the two places."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
