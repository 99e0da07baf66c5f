"""Decoded media: a folder of Parquet files in ascending order of utterances, with INDEX.json."""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from merflow.errors import StoreError
from merflow.paths import INDEX
from merflow.store.files import write_json
from merflow.store.tables import open_table, read_table


def write_index(folder: Path, schema: pa.Schema, spec: Mapping[str, Any]) -> None:
    """Write INDEX.json, which marks `folder` as whole.

    It lists the folder's files with the utterances in each, as ``parts``, and holds `spec`.

    Args:
        folder: folder of *.parquet, with rows in ascending order of ids.
        schema: columns of each file.
        spec: provenance of the media.
    """
    parts = []
    for path in sorted(folder.glob("*.parquet")):
        ids = read_table(path, schema, ["utterance_id"])["utterance_id"]
        if len(ids):
            entry = {"name": path.name, "rows": len(ids), "utterances": ids.nunique()}
            parts.append(entry | {"first": ids.iloc[0], "last": ids.iloc[-1]})
    write_json(folder / INDEX, {"parts": parts, "spec": dict(spec)})


def read_index(folder: Path) -> dict[str, Any]:
    """Read INDEX.json: ``parts`` and ``spec``, as `write_index` writes them.

    Raises:
        StoreError: the folder is absent or not whole.
    """
    path = folder / INDEX
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StoreError(
            f"{folder}: no INDEX.json in it; build it with `snakemake --cores 2 -- {path}`"
        ) from error


def read_media(
    folder: Path,
    schema: pa.Schema,
    ids: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read rows of a media folder, from the files that may hold `ids`.

    Args:
        folder: folder with INDEX.json.
        schema: columns of each file.
        ids: utterances to read; None reads all.
        columns: columns to read; None reads all of `schema`.

    Raises:
        StoreError: the folder is not whole, or a file is unreadable.
    """
    columns = list(columns or schema.names)
    first, last = ("", None) if ids is None else (min(ids, default=""), max(ids, default=""))
    filters = None if ids is None else [("utterance_id", "in", list(ids))]
    tables = [schema.empty_table().select(columns)]
    for entry in read_index(folder)["parts"]:
        if last is None or (entry["first"] <= last and entry["last"] >= first):
            path = folder / entry["name"]
            with open_table(path, schema):  # raises an error that names the file
                tables.append(pq.read_table(path, columns=columns, filters=filters))
    return pa.concat_tables(tables).to_pandas()


class _RowRange(NamedTuple):
    """Neighbouring rows of one utterance in a row group, without row `stop`."""

    file: pq.ParquetFile
    group: int
    start: int
    stop: int


class MediaReader:
    """Rows of a media folder by utterance, read on request; memory holds their places only.

    Attributes:
        ids: all utterances, ascending.
    """

    def __init__(self, folder: Path, schema: pa.Schema):
        """Read the places of the rows of each utterance.

        Raises:
            StoreError: the folder is not whole, or a file is unreadable.
        """
        self._places: dict[str, list[_RowRange]] = {}
        paths = [folder / entry["name"] for entry in read_index(folder)["parts"]]
        for file in [open_table(path, schema) for path in paths]:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group, columns=["utterance_id"])
                ids = np.array(rows["utterance_id"].to_pylist())
                edges = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist(), len(ids)]
                for start, stop in itertools.pairwise(edges):
                    places = self._places.setdefault(str(ids[start]), [])
                    places.append(_RowRange(file, group, start, stop))
        self.ids = list(self._places)

    def read(self, utterance_id: str, column: str) -> list[Any]:
        """Read a column of the rows of an utterance, in their order."""
        values: list[Any] = []
        for file, group, start, stop in self._places[utterance_id]:
            rows = file.read_row_group(group, columns=[column])
            values += rows[column].slice(start, stop - start).to_pylist()
        return values
