"""The step ``fetch``: a corpus as distributed, whole and read-only, from its publisher, from a folder, or made here.

SOURCE.json beside the files says where they came from. Nothing in it names this machine.
"""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from merflow import corpora
from merflow.corpora import disk
from merflow.corpora.corpus import Source
from merflow.corpora.download import Digest, read_digests, retrieve, write_digests
from merflow.corpora.resume import Unavailable
from merflow.corpora.unpack import DamagedArchive, Limits, unpack
from merflow.errors import DownloadError
from merflow.progress import log, track
from merflow.store import write_json

RECORD = "SOURCE.json"
LIMITS = Limits()


def fetch(corpus: str, source: str, out: Path, scratch: Path, digests: Path) -> None:
    """Build `out`: the corpus' files as distributed, archives unpacked, read-only, and SOURCE.json.

    `out` is whole afterwards, or as it was before. Finished and partial downloads stay in `scratch` until all is done.

    Args:
        corpus: name in merflow.registry.CORPORA.
        source: ``demo``, ``official`` or a folder that holds the corpus.
        digests: folder of ``<corpus>.csv``, which records what a download was the first time (under git).

    Raises:
        DownloadError: a file cannot be had or trusted, the folder is not there, or the disk has no room.
    """
    with whole_folder(out) as build:
        if source == "demo":
            from merflow.corpora import (
                demo,
            )  # draws and speaks: heavy, and no other source needs it

            files, absent = download(
                demo.make(corpus, scratch / "demo"), build, scratch / "downloads", {}
            )
            record = [(Source(url).name, digest) for url, digest in files.items()]
        elif source == "official":
            module = corpora.load(corpus)
            if not module.SOURCES:
                raise DownloadError(
                    f"{corpus} has no open download. {module.HOW_TO_GET} The setting is `corpora.{corpus}.source: <folder>`"
                )
            known = read_digests(digests / f"{corpus}.csv")
            files, absent = download(module.SOURCES, build, scratch / "downloads", known)
            if known | files != known:
                write_digests(digests / f"{corpus}.csv", known | files)
            record = list(files.items())
        else:
            record, absent = _copy(corpus, Path(source).expanduser(), build, out), []
        kind = source if source in ("demo", "official") else "folder"
        listed = [{"url": url, **asdict(digest)} for url, digest in sorted(record)]
        write_json(
            build / RECORD, {"corpus": corpus, "kind": kind, "files": listed, "absent": absent}
        )
    shutil.rmtree(scratch, ignore_errors=True)


def download(
    sources: Sequence[Source], build: Path, folder: Path, known: dict[str, Digest]
) -> tuple[dict[str, Digest], list[str]]:
    """Retrieve and unpack `sources` into `build`; digests by URL, and the names that not all systems need and nobody hands out."""
    digests, absent, paths = dict(known), [], {}
    for source in sources:
        # a folder per URL: files of one name from two places, or from an earlier source, never stand for each other
        place = folder / hashlib.sha256(source.url.encode()).hexdigest()[:12]
        try:
            paths[source] = retrieve(source, place, digests)
        except Unavailable as error:
            if source.needed:
                raise
            log.warning(
                "%s; going on without it: systems that need it will be listed as not run", error
            )
            absent.append(source.name)
    for source, path in paths.items():
        with disk.one_line(path.name):
            if source.unpack:
                contents = build.with_name(f"{build.name}.archive")
                shutil.rmtree(contents, ignore_errors=True)
                try:
                    unpack(path, contents, LIMITS)
                    _merge(contents, build, path.name)
                except DamagedArchive:
                    if source.sha256 is None and source.url not in known:
                        path.unlink()  # only trusted until now: the next run brings it anew
                    raise
                finally:
                    shutil.rmtree(contents, ignore_errors=True)
            elif (build / path.name).exists():
                raise DownloadError(
                    f"{path.name}: is there already, from another file of the corpus"
                )
            else:
                disk.check_room(build, path.stat().st_size, f"{path.name}: the copy")
                disk.copy(path, build / path.name)
    return {source.url: digests[source.url] for source in paths}, absent


def _merge(contents: Path, build: Path, archive: str) -> None:
    for path in sorted(contents.rglob("*")):
        target = build / path.relative_to(contents)
        if path.is_dir():
            target.mkdir(exist_ok=True)
        elif target.exists():
            raise DownloadError(
                f"{archive}: {path.relative_to(contents)} is there already, from another file of the corpus"
            )
        else:
            path.rename(target)


def _copy(corpus: str, folder: Path, build: Path, out: Path) -> list[tuple[str, Digest]]:
    """Copy a user's folder into `build`; (path below the folder, digest) of every file."""
    if not folder.is_dir():
        raise DownloadError(
            f"{folder}: no such folder; corpora.{corpus}.source must be demo, official or a folder that holds the corpus"
        )
    if disk.nested(folder, out):
        raise DownloadError(
            f"{folder}: is or holds {out}, where the corpus goes; set corpora.{corpus}.source to another folder"
        )
    own = folder / RECORD
    if own.is_file() and '"kind": "demo"' in own.read_text(encoding="utf-8", errors="replace"):
        raise DownloadError(
            f"{own}: this is a demo corpus; set corpora.{corpus}.source to demo, so that no table shows it as {corpus}"
        )
    paths = [path for path in _walk(folder) if path != own]
    if not paths:
        raise DownloadError(
            f"{folder}: is empty; corpora.{corpus}.source must be a folder that holds the corpus"
        )
    disk.check_room(build, sum(path.stat().st_size for path in paths), f"{folder}: the copy")
    record = []
    for path in track(paths, f"files of {corpus} copied", len(paths)):
        name = path.relative_to(folder)
        with disk.one_line(str(path)):
            (build / name).parent.mkdir(parents=True, exist_ok=True)
            disk.copy(path, build / name)
            with (build / name).open("rb") as file:
                record.append(
                    (
                        name.as_posix(),
                        Digest(
                            (build / name).stat().st_size,
                            hashlib.file_digest(file, "sha256").hexdigest(),
                        ),
                    )
                )
    return record


def _walk(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Files below `folder`, through links, in one order."""
    real = folder.resolve()
    if real in above:
        raise DownloadError(f"{folder}: is a link to a folder above itself; remove it")
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from _walk(path, above | {real})
        elif path.is_file():
            yield path
        else:
            raise DownloadError(f"{path}: neither a file nor a folder (a broken link?); remove it")


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` that replaces it, read-only, if the block ends well."""
    build, old = (out.with_name(f".{out.name}.{word}") for word in ("new", "old"))
    with disk.one_line(str(out)):
        if old.exists() and not out.exists():
            old.rename(out)  # killed between the two renames below
        for leftover in (build, old):
            shutil.rmtree(leftover, ignore_errors=True)
        build.mkdir(parents=True)
        try:
            yield build
            for path in build.rglob("*"):
                if path.is_file():
                    path.chmod(0o444)  # folders stay writable: DVC links files anew, and rm works
            if out.exists():
                out.rename(old)
            build.rename(out)
        finally:
            shutil.rmtree(build, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
