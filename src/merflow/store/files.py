"""Files and folders written whole or not at all."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from merflow.errors import FULL, StoreError, os_reason


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it if the block succeeds.

    Raises:
        StoreError: no space is left or the folder cannot be written. `path` keeps its content.
    """
    path = Path(path)
    partial_path = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial_path
        partial_path.replace(path)
    except OSError as error:
        with suppress(OSError):  # the file system may be read-only
            partial_path.unlink(missing_ok=True)
        raise _write_error(path, error) from error
    except BaseException:
        partial_path.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text (UTF-8) whole or not at all."""
    with whole(path) as partial_path:
        partial_path.write_text(text, encoding="utf-8")


@contextmanager
def whole_folder(path: Path, read_only: bool = False) -> Iterator[Path]:
    """Yield an empty folder beside `path` that replaces it if the block succeeds.

    Args:
        path: folder to make; until it is replaced, it keeps its earlier content.
        read_only: make the files read-only; folders stay writable, for DVC and `rm`.

    Raises:
        StoreError: no space is left or the folder cannot be written. `path` keeps its content.
    """
    new = path.with_name(f".{path.name}.part")
    try:
        old = _old_name(path)
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
        raise _write_error(path, error) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def replace_folder(new: Path, path: Path) -> None:
    """Rename the folder `new` to `path`, in place of an earlier folder of that name."""
    old = _old_name(path)
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    new.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def write_folder(path: Path, files: Mapping[str, str | bytes]) -> None:
    """Replace a folder by one that holds exactly `files`, once all of them are written.

    Args:
        path: folder, which need not exist.
        files: relative path -> text or bytes.

    Raises:
        StoreError: no space is left or the folder cannot be written. `path` keeps its content.
    """
    with whole_folder(path) as folder:
        for name, content in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)


def link(source: Path, target: Path) -> None:
    """Hard-link a file; copy it where the file system cannot link the two places."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _old_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _write_error(path: Path, error: OSError) -> StoreError:
    if error.errno in FULL:
        return StoreError(f"{path}: {os_reason(error)} (nothing was changed)")
    return StoreError(f"{path}: cannot be written: {os_reason(error)}")
