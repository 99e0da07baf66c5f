"""Feature stores: one array per utterance.

Arrays are stored as C-order little-endian bytes in one ``large_binary`` column. 32 random
utterances of a store of 10,000 are read in 16 ms; list columns take 124 to 242 ms
(docs/performance.md).
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from merflow import artifacts
from merflow.errors import StoreError
from merflow.store.files import whole
from merflow.store.tables import ROW_GROUP, open_table, pack_metadata, read_metadata

GROUP_BYTES = 32 * 2**20  # upper limit of a row group, so that readers need little memory


def write_features(
    path: Path,
    features: Iterable[tuple[str, np.ndarray]],
    spec: Mapping[str, Any],
    defects: Callable[[], list] = list,
) -> None:
    """Write a feature store row group by row group.

    Memory does not grow with the corpus.

    Args:
        path: file to write.
        features: (utterance id, array of shape (n_frames, dim)), finite, in ascending order of
            ids. All arrays have the same dtype and dim.
        spec: provenance of the values: feature name, parameters, code digest, versions of
            libraries and checkpoint.
        defects: called after the last array; returns the defects of the utterances (JSON values).

    Raises:
        StoreError: ids do not ascend, an array has another shape or dtype or a value that is not
            finite, or `path` cannot be written.
    """
    rows = iter(features)
    first = next(rows, None)
    dim, dtype = (0, "<f4") if first is None else (first[1].shape[-1], first[1].dtype.str)
    metadata = {"dim": dim, "dtype": dtype, "spec": dict(spec)}
    schema = artifacts.FEATURES.with_metadata(pack_metadata(metadata))
    if first is not None:
        rows = itertools.chain([first], rows)
    options = {"compression": "none", "use_dictionary": False}
    with (
        whole(path) as partial_path,
        pq.ParquetWriter(
            partial_path, schema, write_statistics=["utterance_id"], **options
        ) as writer,
    ):
        group: list[tuple[str, np.ndarray]] = []
        size = 0
        for utterance_id, array in _checked(path, rows, dim, dtype):
            group.append((utterance_id, array))
            size += array.nbytes
            if len(group) == ROW_GROUP or size >= GROUP_BYTES:
                writer.write_table(_to_table(group, schema))
                group, size = [], 0
        if group:
            writer.write_table(_to_table(group, schema))
        writer.add_key_value_metadata(pack_metadata({"defects": defects()}))


def read_features(path: Path, ids: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Read arrays (n_frames, dim) by utterance id.

    Args:
        path: feature store.
        ids: utterances to read; None reads all.

    Returns:
        Read-only views of Arrow's buffers.

    Raises:
        StoreError: the store is absent or broken, or lacks an utterance of `ids`.
    """
    metadata = read_metadata(path, artifacts.FEATURES)
    filters = None if ids is None else [("utterance_id", "in", list(ids))]
    arrays = dict(_arrays(pq.read_table(path, filters=filters), metadata))
    if ids is not None and (missing := set(ids) - set(arrays)):
        raise StoreError(
            f"{path}: {len(missing)} utterances are not in the store, the first is {min(missing)}"
        )
    return arrays


def iterate_features(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (utterance id, array) in order, with one row group in memory at a time.

    Raises:
        StoreError: the store is absent or broken.
    """
    metadata = read_metadata(path, artifacts.FEATURES)
    with open_table(path, artifacts.FEATURES) as file:
        for number in range(file.num_row_groups):
            yield from _arrays(pa.table(file.read_row_group(number)), metadata)


def scan_features(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Read a whole store as one array, for training.

    Returns:
        Utterance ids (n), frames of all utterances (total, dim), and starts (n + 1,). The frames
        of utterance i are ``values[starts[i]:starts[i + 1]]``. Arrow stores the column's bytes
        contiguously, so the values are a read-only view of them.

    Raises:
        StoreError: the store is absent or broken.
    """
    metadata = read_metadata(path, artifacts.FEATURES)
    table = pq.read_table(path, memory_map=True).combine_chunks()
    if len(table):
        values = _flat_values(table["values"].chunk(0), metadata)
    else:
        values = np.empty((0, metadata["dim"]), metadata["dtype"])
    starts = np.concatenate([[0], np.cumsum(table["n_frames"].to_numpy(), dtype=np.int64)])
    return table["utterance_id"].to_pylist(), values, starts


def _checked(
    path: Path, rows: Iterable[tuple[str, np.ndarray]], dim: int, dtype: str
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield `rows`.

    Raises:
        StoreError: ids do not ascend, or an array has another shape or dtype or is not finite.
    """
    previous_id = ""
    for utterance_id, array in rows:
        if array.ndim != 2 or (array.shape[1], array.dtype.str) != (dim, dtype):
            raise StoreError(
                f"{path}: {utterance_id}: an array {array.shape} of {array.dtype.str}; "
                f"expected (n_frames, {dim}) of {dtype}"
            )
        if utterance_id <= previous_id:
            raise StoreError(f"{path}: {utterance_id} after {previous_id}: ids must ascend")
        if not np.isfinite(array).all():
            raise StoreError(
                f"{path}: {utterance_id}: a value is not finite; "
                "correct the extractor, which must flag or replace it"
            )
        previous_id = utterance_id
        yield utterance_id, array


def _to_table(group: list[tuple[str, np.ndarray]], schema: pa.Schema) -> pa.Table:
    ids, arrays = zip(*group, strict=True)
    lengths = pa.array([len(array) for array in arrays], pa.int32())
    encoded = [np.ascontiguousarray(array).tobytes() for array in arrays]
    return pa.table([pa.array(ids), lengths, pa.array(encoded, pa.large_binary())], schema=schema)


def _arrays(table: pa.Table, metadata: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    ids = table["utterance_id"].to_pylist()
    for utterance_id, values in zip(ids, table["values"], strict=True):
        array = np.frombuffer(values.as_buffer(), dtype=metadata["dtype"])
        yield utterance_id, array.reshape(-1, metadata["dim"])


def _flat_values(chunk: pa.LargeBinaryArray, metadata: Mapping[str, Any]) -> np.ndarray:
    """View the values of all rows of a chunk as one array (total, dim)."""
    _, offset_buffer, data_buffer = chunk.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int64)
    offsets = offsets[chunk.offset : chunk.offset + len(chunk) + 1]
    data = np.frombuffer(data_buffer or b"", dtype=np.uint8)[offsets[0] : offsets[-1]]
    return data.view(metadata["dtype"]).reshape(-1, metadata["dim"])
