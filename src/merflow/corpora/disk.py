"""Disk space: checked before a long step, and not spent twice on a copy."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from merflow.errors import DownloadError, os_reason

_FICLONE = 0x40049409  # linux/fs.h: share the blocks of another file (Btrfs, XFS, ...)


def check_room(folder: Path, needed: int, what: str) -> None:
    """Refuse to begin a step that would fill the disk.

    Args:
        folder: where the step writes; need not exist yet.
        needed: bytes.
        what: beginning of the message.

    Raises:
        DownloadError: fewer than `needed` bytes are free.
    """
    present = free(folder)
    if present < needed:
        raise DownloadError(
            f"{what} needs {megabytes(needed)} MB on the disk and {megabytes(present)} MB are free;"
            " free some and run again"
        )


def free(folder: Path) -> int:
    """Free bytes where `folder` is, or will be made."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free


def megabytes(size: int) -> str:
    """Format bytes as decimal megabytes, as publishers count; small files keep their digits."""
    return f"{size / 1e6:,.0f}" if size >= 10_000_000 else f"{size / 1e6:.3g}"


@contextmanager
def one_line(what: str) -> Iterator[None]:
    """Turn the operating system's errors inside the block into one line that begins with `what`.

    Raises:
        DownloadError: the disk is full, a name is too long, a folder is not writable, ...
    """
    try:
        yield
    except OSError as error:
        raise DownloadError(f"{what}: {os_reason(error)}") from error


def nested(folder: Path, other: Path) -> bool:
    """Tell whether one of two folders is or holds the other, links followed."""
    first, second = folder.resolve(), other.resolve()
    return first.is_relative_to(second) or second.is_relative_to(first)


def copy(source: Path, target: Path) -> None:
    """Copy a file to `target`, which must not exist; never hard-link it.

    Copies share their blocks where the file system can.
    """
    with source.open("rb") as read, target.open("xb") as write:
        try:
            fcntl.ioctl(write.fileno(), _FICLONE, read.fileno())
        except OSError:  # no shared blocks here; the plain copy reports the errors that matter
            shutil.copyfileobj(read, write, 2**20)
