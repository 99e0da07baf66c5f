"""Unpack an archive that is hostile until checked, and the archives inside it.

Members are written by this module, as files and folders only: no link of an archive ever lies on the disk to be
followed. tarfile's own extraction with its ``data`` filter is not used: links and long paths have got round it
(CVE-2025-4517), it passes absolute names, and neither tarfile nor zipfile bounds what a member becomes.
"""

import gzip
import posixpath
import shutil
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

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip")
CHUNK = 2**20  # bytes
MAX_HEADER = 2**20  # bytes of a long name or of extended attributes: tarfile reads them into memory
# what tarfile, gzip, zlib and zipfile raise on damaged input
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
    """The file is not a whole archive: cut off, altered, or something else under its name."""


@dataclass(frozen=True)
class Limits:
    """What an archive may become. Media hardly shrink; a gzip bomb reaches 1000 to 1.

    Attributes:
        size: bytes in all, what archives inside hold included.
        ratio: bytes in all to bytes of the outermost archive, ...
        free: ... asked for only beyond so many bytes.
        members: files, folders and links in all.
        depth: archives inside archives.
    """

    size: int = 400 * 10**9
    ratio: float = 100.0
    free: int = 100 * 10**6
    members: int = 500_000
    depth: int = 3


@dataclass(frozen=True)
class _Member:
    """One entry of an archive: a file (``open``), a link (``target``, from the archive's root), or a folder (neither)."""

    name: str
    open: Callable[[], IO[bytes]] | None = None
    target: str | None = None


def is_archive(path: Path) -> bool:
    """By name; ``._x.tar.gz`` is what macOS stores beside ``x.tar.gz`` and no archive."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith("._")


def unpack(archive: Path, into: Path, limit: Limits) -> None:
    """Unpack .tar, .tar.gz, .tgz or .zip; `into`, which must not exist, is whole afterwards or absent.

    An archive inside is unpacked where it lies, as one does by hand, and removed. A link to a file of the archive
    becomes a copy of it.

    Raises:
        DamagedArchive: truncated, corrupt or no archive.
        DownloadError: a name or link leads out of the folder, an entry is a device, two entries have one name, members,
            bytes or levels exceed `limit`, or the disk has no room.
    """
    part = into.with_name(f".{into.name}.part")
    with disk.one_line(archive.name):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            most = min(limit.size, max(limit.free, int(limit.ratio * archive.stat().st_size)))
            _Unpacking(limit, most).unpack(archive, part)
            part.rename(into)
        finally:
            shutil.rmtree(part, ignore_errors=True)


@dataclass
class _Unpacking:
    """Counts over an archive and the archives inside it; bytes are counted as they are written, headers are not believed."""

    limit: Limits
    most: int  # bytes
    written: int = 0
    members: int = 0

    def unpack(self, archive: Path, folder: Path, depth: int = 0) -> None:
        if depth > self.limit.depth:
            raise DownloadError(
                f"{archive.name}: archives inside each other {depth} deep, {self.limit.depth} are allowed"
            )
        log.info("unpacking %s (%s MB)", archive.name, disk.megabytes(archive.stat().st_size))
        inside = []
        with _opened(archive) as (members, needed):
            disk.check_room(folder, min(needed, self.most), f"{archive.name}: unpacking it")
            for member in members:
                self.members += 1
                if self.members > self.limit.members:
                    raise DownloadError(
                        f"{archive.name}: more than {self.limit.members} members, refused"
                    )
                path = self._write(member, archive, folder)
                if path.is_file() and is_archive(path):
                    inside.append(path)
        for path in inside:
            self.unpack(path, path.parent, depth + 1)
            path.unlink()

    def _write(self, member: _Member, archive: Path, folder: Path) -> Path:
        what = f"{archive.name}: member {member.name!r}"
        path, opener = folder / _inside(member.name, what), member.open
        if member.target is not None:
            target = folder / _inside(member.target, f"{what}, a link,")
            if not target.is_file():
                raise DownloadError(
                    f"{what} links to {member.target!r}, which is no file before it, refused"
                )
            opener = lambda: target.open("rb")
        try:
            if opener is None:
                path.mkdir(parents=True, exist_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as file, opener() as packed:
                    self._pour(packed, file, archive)
        except (FileExistsError, NotADirectoryError):
            raise DownloadError(
                f"{what} is there twice, or as a file and a folder, refused"
            ) from None
        return path

    def _pour(self, packed: IO[bytes], file: IO[bytes], archive: Path) -> None:
        while chunk := packed.read(CHUNK):
            self.written += len(chunk)
            if self.written > self.most:
                packed_mb, most_mb = (
                    disk.megabytes(archive.stat().st_size),
                    disk.megabytes(self.most),
                )
                raise DownloadError(
                    f"{archive.name}: {packed_mb} MB that unpack to more than {most_mb} MB, refused as a bomb"
                )
            file.write(chunk)


def _inside(name: str, what: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise DownloadError(f"{what} leads out of the folder ({name!r}), refused")
    return path


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[Iterator[_Member], int]]:
    """Members of an archive, and the bytes that it probably needs. Damage met inside the block is one line."""
    try:
        if archive.name.lower().endswith(".zip"):
            with zipfile.ZipFile(archive) as opened:
                yield (
                    _zip_members(opened, archive),
                    sum(info.file_size for info in opened.infolist()),
                )
        else:
            with archive.open("rb") as file:
                packed = (
                    file.read(2) == b"\x1f\x8b"
                )  # the name says .tar.gz of a file that a server has unpacked on the way, too
            with tarfile.open(archive, "r:gz" if packed else "r:", tarinfo=_Header) as tar:
                # headers come only with the data; twice, because an archive inside stands beside its contents
                yield _tar_members(tar, archive), 2 * archive.stat().st_size
    except BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DamagedArchive(
            f"{archive.name}: not a whole archive ({reason}); it was cut off or damaged on its way"
        ) from error


def _zip_members(opened: zipfile.ZipFile, archive: Path) -> Iterator[_Member]:
    for info in opened.infolist():
        kind = (
            stat.S_IFMT(info.external_attr >> 16) if info.create_system == 3 else 0
        )  # 3: Unix modes
        if info.flag_bits & 1:
            raise DownloadError(
                f"{archive.name}: member {info.filename!r} is encrypted; unpack it by hand and set the source to the folder"
            )
        if info.filename.endswith("/"):
            yield _Member(info.filename)
        elif kind == stat.S_IFLNK:
            with opened.open(info) as file:
                yield _Member(
                    info.filename, target=_from_root(info.filename, file.read(4096).decode())
                )
        elif kind in (0, stat.S_IFREG):
            yield _Member(info.filename, partial(opened.open, info))
        else:
            raise DownloadError(
                f"{archive.name}: member {info.filename!r} is a device or pipe, refused"
            )


def _tar_members(tar: tarfile.TarFile, archive: Path) -> Iterator[_Member]:
    for info in tar:
        if info.isdir():
            member = _Member(info.name)
        elif info.issym():
            member = _Member(info.name, target=_from_root(info.name, info.linkname))
        elif info.islnk():
            member = _Member(info.name, target=info.linkname)
        elif info.isreg():
            member = _Member(
                info.name,
                partial(cast(Callable[[tarfile.TarInfo], IO[bytes]], tar.extractfile), info),
            )
        else:
            raise DownloadError(
                f"{archive.name}: member {info.name!r} is a device or pipe, refused"
            )
        yield member
    # tarfile stops at the end mark: what follows is padding, and reading it makes gzip compare its checksum
    if cast(IO[bytes], tar.fileobj).read(MAX_HEADER).strip(b"\0"):
        raise ValueError("data behind its end mark")


def _from_root(name: str, target: str) -> str:
    """The target of a symbolic link as a name of the archive: it is written relative to the link."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), target))


class _Header(tarfile.TarInfo):
    """A header that fails loudly: tarfile takes a damaged or missing one for the end of the archive."""

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
