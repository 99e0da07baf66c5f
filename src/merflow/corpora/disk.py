"""Room on the disk: asked for before a long step, missed in one line, and not spent twice on a copy."""

import errno
import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from merflow.errors import DownloadError

FULL = (errno.ENOSPC, errno.EDQUOT)
_FICLONE = 0x40049409  # linux/fs.h: share the blocks of another file (Btrfs, XFS, ...)


def check_room(folder: Path, needed: int, what: str) -> None:
    """Refuse to begin what cannot end.

    Args:
        folder: where it would be written; need not exist yet.
        needed: bytes.
        what: beginning of the message.

    Raises:
        DownloadError: fewer than `needed` bytes are free.
    """
    standing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(standing).free
    if free < needed:
        raise DownloadError(
            f"{what} needs {megabytes(needed)} MB on the disk and {megabytes(free)} MB are free; free some and run again"
        )


def megabytes(size: int) -> str:
    """Bytes as decimal megabytes, as publishers count them; small files keep their digits."""
    return f"{size / 1e6:,.0f}" if size >= 10_000_000 else f"{size / 1e6:.3g}"


@contextmanager
def one_line(what: str) -> Iterator[None]:
    """Turn the operating system's refusals inside the block into one line that begins with `what`.

    Raises:
        DownloadError: the disk is full, a name is too long, a folder may not be written, ...
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DownloadError(
                f"{what}: no space left on the disk; free some and run again"
            ) from error
        raise DownloadError(f"{what}: {error.strerror or ' '.join(str(error).split())}") from error


def nested(one: Path, other: Path) -> bool:
    """Whether one of two folders is or holds the other, links followed."""
    first, second = one.resolve(), other.resolve()
    return first.is_relative_to(second) or second.is_relative_to(first)


def copy(source: Path, target: Path) -> None:
    """Copy a file's bytes to `target`, which must not exist; blocks are shared where the file system can, names never."""
    with source.open("rb") as read, target.open("xb") as write:
        try:
            fcntl.ioctl(write.fileno(), _FICLONE, read.fileno())
        except OSError:  # another file system, or one that shares no blocks: the plain copy says what is really wrong
            shutil.copyfileobj(read, write, 2**20)
