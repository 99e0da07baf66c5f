"""Archives made in memory, and the content of folders."""

import io
import random
import stat
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

NOISE = random.Random(1).randbytes(50_000)


def tar(members: Iterable, mode: str = "w:gz") -> bytes:
    """Pack (name, content) pairs, and TarInfo for members without content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                name, content = member
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """Make a tar member that is a link, a device or a pipe."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zipped(members: Iterable, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Pack (name, content) pairs."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def zip_link(name: str, mode: int = stat.S_IFLNK) -> zipfile.ZipInfo:
    """Make the header of a zip member that is a link, or another special file."""
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (mode | 0o777) << 16
    return info


def tree(folder: Path) -> dict[str, bytes]:
    """Relative path -> content of the files below `folder`, which must not hold links."""
    paths = list(folder.rglob("*"))
    assert not any(path.is_symlink() for path in paths)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if path.is_file()
    }
