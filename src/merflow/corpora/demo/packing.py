"""Archives with the same bytes on every run: sorted members, fixed times, owners and modes."""

import gzip
import hashlib
import tarfile
import zipfile
from pathlib import Path

from merflow.corpora.corpus import Source
from merflow.store import whole

_TIME = (2019, 1, 1, 0, 0, 0)  # of every member
_TIME_S = 1_546_300_800  # the same in seconds since 1970
_COMPRESSED = {".mp4", ".avi", ".gz"}  # compressing them again gains nothing


def tar_gz(folder: Path, path: Path) -> Path:
    """Pack the contents of `folder` as .tar.gz."""
    with (
        whole(path) as partial_path,
        partial_path.open("wb") as file,
        # level 1: nearly all is video
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for member in sorted(folder.rglob("*")):
            info = tarfile.TarInfo(member.relative_to(folder).as_posix())
            info.mtime = _TIME_S
            if member.is_dir():
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(info)
            else:
                info.size, info.mode = member.stat().st_size, 0o644
                with member.open("rb") as content:
                    archive.addfile(info, content)
    return path


def zipped(folder: Path, path: Path) -> Path:
    """Pack the contents of `folder` as .zip."""
    with whole(path) as partial_path, zipfile.ZipFile(partial_path, "w") as archive:
        for member in sorted(path for path in folder.rglob("*") if path.is_file()):
            info = zipfile.ZipInfo(member.relative_to(folder).as_posix(), _TIME)
            info.create_system, info.external_attr = 3, 0o100644 << 16  # Unix, a plain file
            stored = member.suffix in _COMPRESSED
            info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.writestr(info, member.read_bytes())
    return path


def source(path: Path, unpack: bool) -> Source:
    """Describe a distribution file for ``fetch``."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Source(path.resolve().as_uri(), path.stat().st_size, digest, unpack=unpack)


def truncate(path: Path, size: int) -> None:
    """Keep the first `size` bytes, as a broken download does."""
    path.write_bytes(path.read_bytes()[:size])
