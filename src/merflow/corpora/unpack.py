"""Unpack an archive that is hostile until checked, and the archives inside it.

This module writes members itself, as files and folders only. No link of an archive is ever written
to the disk, so none can be followed. tarfile's own extraction with its ``data`` filter is not used.
Links and long paths have circumvented it (CVE-2025-4517), and it passes absolute names. Neither
tarfile nor zipfile bounds the size of a member.
"""

import gzip
import posixpath
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, cast

from merflow.corpora import disk
from merflow.errors import DownloadError
from merflow.progress import log
from merflow.store import whole_folder

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip")
CHUNK = 2**20  # bytes
MAX_HEADER = 2**20  # bytes of a long name or of extended attributes: tarfile reads them into memory
#: Errors of tarfile, gzip, zlib and zipfile on damaged input.
BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    gzip.BadGzipFile,
    EOFError,
    NotImplementedError,
    ValueError,
    struct.error,
)


class DamagedArchive(DownloadError):
    """The file is not a whole archive: cut off, altered, or of another kind."""


@dataclass(frozen=True)
class Limits:
    """Bounds on an unpacked archive. Media hardly shrink; a gzip bomb reaches 1000 to 1.

    Attributes:
        size: bytes in all, archives inside included.
        ratio: bytes in all to bytes of the outermost archive.
        free: bytes up to which `ratio` does not count.
        members: files, folders and links in all.
        depth: levels of archives inside archives.
    """

    size: int = 400 * 10**9
    ratio: float = 100.0
    free: int = 100 * 10**6
    members: int = 500_000
    depth: int = 3


@dataclass(frozen=True)
class _Member:
    """Entry of an archive: a file, a link or a folder.

    Attributes:
        name: path in the archive.
        open: opens the content; None: not a file.
        target: path in the archive that a link leads to; None: not a link.
    """

    name: str
    open: Callable[[], IO[bytes]] | None = None
    target: str | None = None


def is_archive(path: Path) -> bool:
    """Tell by its name whether a file is an archive.

    ``._x.tar.gz``, which macOS stores beside ``x.tar.gz``, is not an archive.
    """
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith("._")


def unpack(archive: Path, into: Path, limit: Limits) -> None:
    """Unpack .tar, .tar.gz, .tgz or .zip into a new folder, whole or not at all.

    An archive inside is unpacked beside itself and removed. A link to a file of the archive
    becomes a copy of the file.

    Args:
        archive: file to unpack.
        into: folder to make.
        limit: bounds on the unpacked files.

    Raises:
        DamagedArchive: truncated, corrupt or not an archive.
        DownloadError: an entry is a device or leads out of the folder, two entries have one name,
            `limit` is exceeded, or the disk has no room.
        StoreError: `into` cannot be made.
    """
    with whole_folder(into) as folder, disk.one_line(archive.name):
        max_bytes = min(limit.size, max(limit.free, int(limit.ratio * archive.stat().st_size)))
        _Unpacking(limit, max_bytes).unpack(archive, folder)


@dataclass
class _Unpacking:
    """Counters over an archive and the archives inside it.

    Bytes are counted as they are written, because headers are not trustworthy.
    """

    limit: Limits
    max_bytes: int
    written: int = 0
    members: int = 0

    def unpack(self, archive: Path, folder: Path, depth: int = 0) -> None:
        if depth > self.limit.depth:
            raise DownloadError(
                f"{archive.name}: archives inside each other {depth} deep, "
                f"{self.limit.depth} are allowed"
            )
        log.info("unpacking %s (%s MB)", archive.name, disk.megabytes(archive.stat().st_size))
        inner_archives = []
        with _opened(archive) as (members, needed):
            disk.check_room(folder, min(needed, self.max_bytes), f"{archive.name}: unpacking it")
            for member in members:
                self.members += 1
                if self.members > self.limit.members:
                    raise DownloadError(
                        f"{archive.name}: more than {self.limit.members} members, refused"
                    )
                path = self._write(member, archive, folder)
                if path.is_file() and is_archive(path):
                    inner_archives.append(path)
        for path in inner_archives:
            self.unpack(path, path.parent, depth + 1)
            path.unlink()

    def _write(self, member: _Member, archive: Path, folder: Path) -> Path:
        where = f"{archive.name}: member {member.name!r}"
        path, opener = folder / _inside(member.name, where), member.open
        if member.target is not None:
            target = folder / _inside(member.target, f"{where}, a link,")
            if not target.is_file():
                raise DownloadError(
                    f"{where} links to {member.target!r}, which is not a file before it, refused"
                )
            opener = lambda: target.open("rb")
        try:
            if opener is None:
                path.mkdir(parents=True, exist_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as file, opener() as content:
                    self._pour(content, file, archive)
        except (FileExistsError, NotADirectoryError):
            raise DownloadError(
                f"{where} occurs twice, or as a file and a folder, refused"
            ) from None
        return path

    def _pour(self, content: IO[bytes], file: IO[bytes], archive: Path) -> None:
        while chunk := content.read(CHUNK):
            self.written += len(chunk)
            if self.written > self.max_bytes:
                packed_mb = disk.megabytes(archive.stat().st_size)
                max_mb = disk.megabytes(self.max_bytes)
                raise DownloadError(
                    f"{archive.name}: {packed_mb} MB that unpack to more than {max_mb} MB, "
                    "refused as a bomb"
                )
            file.write(chunk)


def _inside(name: str, where: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise DownloadError(f"{where} leads out of the folder ({name!r}), refused")
    return path


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[Iterator[_Member], int]]:
    """Members of an archive, and the bytes that it probably needs.

    Raises:
        DamagedArchive: the archive is damaged, which may show inside the block only.
    """
    try:
        if archive.name.lower().endswith(".zip"):
            with zipfile.ZipFile(archive) as opened:
                needed = sum(info.file_size for info in opened.infolist())
                yield _zip_members(opened, archive), needed
        else:
            with archive.open("rb") as file:
                # not by name: some servers unpack a .tar.gz on the way
                gzipped = file.read(2) == b"\x1f\x8b"
            with tarfile.open(archive, "r:gz" if gzipped else "r:", tarinfo=_Header) as tar:
                # headers come only with the data; twice, because an archive inside lies beside
                # its contents for a while
                yield _tar_members(tar, archive), 2 * archive.stat().st_size
    except BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DamagedArchive(
            f"{archive.name}: not a whole archive ({reason}); it was cut off or damaged on its way"
        ) from error


def _zip_members(opened: zipfile.ZipFile, archive: Path) -> Iterator[_Member]:
    for info in opened.infolist():
        name, is_unix = info.filename, info.create_system == 3
        kind = stat.S_IFMT(info.external_attr >> 16) if is_unix else 0
        if info.flag_bits & 1:
            raise DownloadError(
                f"{archive.name}: member {name!r} is encrypted; unpack it by hand and set the "
                "source to the folder"
            )
        if name.endswith("/"):
            yield _Member(name)
        elif kind == stat.S_IFLNK:
            with opened.open(info) as file:
                yield _Member(name, target=_from_root(name, file.read(4096).decode()))
        elif kind in (0, stat.S_IFREG):
            yield _Member(name, partial(opened.open, info))
        else:
            raise DownloadError(f"{archive.name}: member {name!r} is a device or pipe, refused")


def _tar_members(tar: tarfile.TarFile, archive: Path) -> Iterator[_Member]:
    extract = cast(Callable[[tarfile.TarInfo], IO[bytes]], tar.extractfile)
    for info in tar:
        if info.isdir():
            yield _Member(info.name)
        elif info.issym():
            yield _Member(info.name, target=_from_root(info.name, info.linkname))
        elif info.islnk():
            yield _Member(info.name, target=info.linkname)
        elif info.isreg():
            yield _Member(info.name, partial(extract, info))
        else:
            raise DownloadError(
                f"{archive.name}: member {info.name!r} is a device or pipe, refused"
            )
    # padding follows the end mark; reading it makes gzip compare its checksum
    if cast(IO[bytes], tar.fileobj).read(MAX_HEADER).strip(b"\0"):
        raise ValueError("data behind its end mark")


def _from_root(name: str, target: str) -> str:
    """Resolve the target of a symbolic link, relative to the link, to a member's name."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), target))


class _Header(tarfile.TarInfo):
    """A header that fails loudly.

    tarfile takes a damaged or missing header for the end of the archive.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        try:
            info = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise EOFError(f"{error} where a member or the end mark should be") from error
        kinds = (
            tarfile.XHDTYPE,
            tarfile.XGLTYPE,
            tarfile.SOLARIS_XHDTYPE,
            tarfile.GNUTYPE_LONGNAME,
            tarfile.GNUTYPE_LONGLINK,
        )
        if info.type in kinds and info.size > MAX_HEADER:
            raise ValueError(f"a header of {info.size} bytes")
        return info
