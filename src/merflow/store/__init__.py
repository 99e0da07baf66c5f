"""The only reader and writer of Parquet artifacts: whole or absent, never half.

A file is written under a temporary name in its own folder and renamed at the end. A killed run or
a full disk therefore leaves the earlier file as it was.
"""

from merflow.store.features import iterate_features, read_features, scan_features, write_features
from merflow.store.files import (
    link,
    replace_folder,
    whole,
    whole_folder,
    write_folder,
    write_json,
    write_text,
)
from merflow.store.media import MediaReader, read_index, read_media, write_index
from merflow.store.tables import read_metadata, read_table, write_table

__all__ = [
    "MediaReader",
    "iterate_features",
    "link",
    "read_features",
    "read_index",
    "read_media",
    "read_metadata",
    "read_table",
    "replace_folder",
    "scan_features",
    "whole",
    "whole_folder",
    "write_features",
    "write_folder",
    "write_index",
    "write_json",
    "write_table",
    "write_text",
]
