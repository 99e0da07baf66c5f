"""Tables with declared columns, and the metadata beside their rows."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from merflow.errors import StoreError
from merflow.store.files import whole

ROW_GROUP = 128  # rows; small groups make random access cheap


def write_table(
    path: Path,
    table: pd.DataFrame | pa.Table,
    schema: pa.Schema,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write `table` with exactly the columns of `schema`.

    Args:
        path: file to write.
        table: rows. A nullable column that a data frame lacks is filled with nulls.
        schema: columns of the artifact (merflow.artifacts).
        metadata: values stored beside the rows, as JSON.

    Raises:
        StoreError: a column is missing, has another type, or has nulls that `schema` forbids.
    """
    try:
        rows = _fit_to_schema(table, schema)
    except (KeyError, ValueError, TypeError, pa.ArrowException) as error:
        raise StoreError(f"{path}: the table does not fit its columns: {error}") from error
    for field in schema:
        if not field.nullable and (n_null := rows[field.name].null_count):
            raise StoreError(f"{path}: column {field.name}: {n_null} empty values, expected none")
    names = schema.names
    text_columns = [field.name for field in schema if pa.types.is_string(field.type)]
    with whole(path) as partial_path:
        pq.write_table(
            rows.replace_schema_metadata(pack_metadata(metadata or {})),
            partial_path,
            compression="none",
            row_group_size=ROW_GROUP if "values" in names else None,
            use_dictionary=[name for name in text_columns if name != "values"],
            write_statistics=["utterance_id"] if "utterance_id" in names else True,
        )


def read_table(path: Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read an artifact.

    Args:
        path: file to read.
        schema: columns that it must have.
        columns: columns to read; None reads all of `schema`.

    Raises:
        StoreError: the file is absent, unreadable or lacks a column of `schema`.
    """
    with open_table(path, schema) as file:
        return file.read(columns=list(columns or schema.names)).to_pandas()


def read_metadata(path: Path, schema: pa.Schema) -> dict[str, Any]:
    """Read the JSON values beside the rows, without reading the rows.

    Raises:
        StoreError: the file is absent, unreadable or lacks a column of `schema`.
    """
    with open_table(path, schema) as file:
        packed = file.metadata.metadata or {}
    return {
        key.decode(): json.loads(value)
        for key, value in packed.items()
        if not key.startswith((b"ARROW", b"pandas"))
    }


def open_table(path: Path, schema: pa.Schema) -> pq.ParquetFile:
    """Open a Parquet file that has the columns of `schema`.

    Raises:
        StoreError: the file is absent, unreadable or lacks a column of `schema`.
    """
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


def pack_metadata(values: Mapping[str, Any]) -> dict[str, str]:
    """Encode metadata of a Parquet file as JSON."""
    return {key: json.dumps(value, sort_keys=True) for key, value in values.items()}


def _fit_to_schema(table: pd.DataFrame | pa.Table, schema: pa.Schema) -> pa.Table:
    if isinstance(table, pa.Table):
        return table.select(schema.names).cast(schema)
    optional = [field.name for field in schema if field.nullable and field.name not in table]
    table = table.assign(**dict.fromkeys(optional))
    return pa.Table.from_pandas(table, schema=schema, preserve_index=False)
