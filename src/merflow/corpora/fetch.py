"""The step ``fetch``: a corpus as distributed, from its publisher, a folder, or a demo.

The folder is whole and read-only. SOURCE.json beside the files records where they came from, and
never names a path of this machine.
"""

import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from merflow import corpora
from merflow.corpora import disk
from merflow.corpora.corpus import Source
from merflow.corpora.download import Digest, read_digests, retrieve, write_digests
from merflow.corpora.file_names import misnamed
from merflow.corpora.folders import walk
from merflow.corpora.resume import Unavailable
from merflow.corpora.unpack import DamagedArchive, Limits, unpack
from merflow.display import printable
from merflow.errors import DownloadError
from merflow.paths import SOURCE, of_user
from merflow.progress import log, track
from merflow.registry import CORPORA
from merflow.store import link, whole_folder, write_json

LIMITS = Limits()
ALLOWED = "demo, official or a folder that holds the corpus"  # values of corpora.<name>.source
_DEMO = re.compile(r'"(kind|place)": "demo"')  # in SOURCE.json of a corpus and of a checkpoint

Files = list[tuple[str, Digest]]  # URL or relative path, digest


def fetch(corpus: str, source: str, out: Path, scratch: Path, digests: Path) -> None:
    """Build `out`: the corpus' files as distributed, unpacked and read-only, and SOURCE.json.

    `out` is whole afterwards, or as it was before. Finished and partial downloads stay in
    `scratch` until the step is done.

    Args:
        corpus: name in merflow.registry.CORPORA, or of a custom corpus.
        source: ``demo``, ``official`` or a folder that holds the corpus.
        out: folder to make.
        scratch: folder for downloads.
        digests: folder of ``<corpus>.csv``, which records each download on first use (under git).

    Raises:
        DownloadError: a file cannot be had or trusted, or the folder does not exist.
        StoreError: `out` cannot be written.
    """
    absent: list[str] = []
    with whole_folder(out, read_only=True) as build:
        check_source(corpus, source, out)
        if source == "demo":
            files = _make_demo(corpus, build, scratch)
        elif source == "official":
            files, absent = _download_official(corpus, build, scratch, digests)
        else:
            files, absent = _copy(corpus, of_user(source), build, out)
        kind = source if source in ("demo", "official") else "folder"
        listed = [{"url": url, **asdict(digest)} for url, digest in sorted(files)]
        record = {"corpus": corpus, "kind": kind, "files": listed, "absent": absent}
        write_json(build / SOURCE, record)
    shutil.rmtree(scratch, ignore_errors=True)


def check_source(corpus: str, source: str, out: Path, names_clips: bool = False) -> None:
    """Refuse a source that cannot serve, as far as this shows without a network.

    Args:
        corpus, source, out: as in `fetch`.
        names_clips: the annotations of a custom corpus are known to name clips.

    Raises:
        DownloadError: the corpus needs a licence form, or the folder cannot be copied.
    """
    setting = f"corpora.{corpus}.source"
    if source == "official":
        module = corpora.load(corpus)
        if not module.SOURCES:
            raise DownloadError(
                f"{corpus} has no open download. {module.HOW_TO_GET} "
                f"The setting is `{setting}: <folder>`"
            )
    elif source != "demo":
        folder = of_user(source)
        if not names_clips and _is_text_alone(corpus, folder):
            _check_text_alone(folder, out, setting)
            return
        remedy = f"set {setting} to demo, so that no table shows it as {corpus}"
        check_user_folder(folder, out, setting, ALLOWED, remedy)


def _make_demo(corpus: str, build: Path, scratch: Path) -> Files:
    """Make the demo's distribution files and unpack them; SOURCE.json names them without a path."""
    from merflow.corpora import demo  # draws and speaks: heavy, and no other source needs it

    sources = demo.make(corpus, scratch / "demo")
    digests, _ = download(sources, build, scratch / "downloads", {})
    return [(Source(url).name, digest) for url, digest in digests.items()]


def _download_official(
    corpus: str, build: Path, scratch: Path, digests: Path
) -> tuple[Files, list[str]]:
    """Download from the publisher, and record digests on first use."""
    module = corpora.load(corpus)
    register = digests / f"{corpus}.csv"
    recorded = read_digests(register)
    files, absent = download(module.SOURCES, build, scratch / "downloads", recorded)
    if recorded | files != recorded:
        write_digests(register, recorded | files)
    return list(files.items()), absent


def download(
    sources: Sequence[Source], build: Path, folder: Path, recorded: dict[str, Digest]
) -> tuple[dict[str, Digest], list[str]]:
    """Retrieve `sources` and put them into `build`, archives unpacked.

    Args:
        sources: files to download.
        build: folder to fill.
        folder: keeps downloads until all are there.
        recorded: URL -> digest of earlier downloads.

    Returns:
        URL -> digest of each file, and the names of the optional files that are unavailable.

    Raises:
        Unavailable: a needed file cannot be had.
        DownloadError: a file cannot be trusted, or two files have one name.
    """
    digests, absent, paths = dict(recorded), [], {}
    for source in sources:
        try:
            paths[source] = retrieve(source, place_of(source, folder), digests)
        except Unavailable as error:
            if source.needed:
                raise
            log.warning("%s; going on without it: systems that need it are not run", error)
            absent.append(source.name)
    for source, path in paths.items():
        trusted = source.sha256 is not None or source.url in recorded
        with disk.one_line(path.name):
            if source.unpack:
                _unpack_into(path, build, trusted)
            else:
                _copy_into(path, build)
    return {source.url: digests[source.url] for source in paths}, absent


def place_of(source: Source, folder: Path) -> Path:
    """Folder of a download below `folder`, the folder of all downloads.

    Each URL has its own, so that two files of one name never stand for each other.
    """
    return folder / hashlib.sha256(source.url.encode()).hexdigest()[:12]


def _unpack_into(archive: Path, build: Path, trusted: bool) -> None:
    """Add the contents of `archive` to `build`; delete it if damaged and never verified."""
    contents = build.with_name(f"{build.name}.archive.part")
    shutil.rmtree(contents, ignore_errors=True)
    try:
        unpack(archive, contents, LIMITS)
        _merge(contents, build, archive.name)
    except DamagedArchive:
        if not trusted:
            archive.unlink()  # the next run downloads it again
        raise
    finally:
        shutil.rmtree(contents, ignore_errors=True)


def _merge(contents: Path, build: Path, archive: str) -> None:
    for path in sorted(contents.rglob("*")):
        name = path.relative_to(contents)
        if path.is_dir():
            (build / name).mkdir(exist_ok=True)
        elif (build / name).exists():
            raise DownloadError(f"{archive}: another file of the corpus is {name} already")
        else:
            path.rename(build / name)


def _copy_into(path: Path, build: Path) -> None:
    if (build / path.name).exists():
        raise DownloadError(f"{path.name}: another file of the corpus has this name already")
    disk.check_room(build, path.stat().st_size, f"{path.name}: the copy")
    disk.copy(path, build / path.name)


def _copy(corpus: str, folder: Path, build: Path, out: Path) -> tuple[Files, list[str]]:
    """Copy a user's folder into `build`.

    Files that are equal to those of the copy before, in `out`, are taken over from there. A custom
    corpus of text alone has an empty folder, or none.

    Returns:
        Path below the folder and digest of every file, and the names of those left out.
    """
    if _is_text_alone(corpus, folder):
        log.warning("%s: no clips in %s; systems can use its text alone", corpus, folder)
        return [], []
    paths, left_out = _readable(folder)
    if not paths:
        raise DownloadError(f"{folder}: is empty; corpora.{corpus}.source must be {ALLOWED}")
    disk.check_room(build, sum(path.stat().st_size for path in paths), f"{folder}: the copy")
    files = []
    for path in track(paths, f"files of {corpus} copied", len(paths)):
        name = path.relative_to(folder)
        with disk.one_line(str(path)):
            (build / name).parent.mkdir(parents=True, exist_ok=True)
            files.append((name.as_posix(), _copy_file(path, build / name, out / name)))
    return files, left_out


def _copy_file(path: Path, target: Path, earlier: Path) -> Digest:
    """Copy a file, or link the copy of `earlier` if it has the same content.

    DVC knows the content of a linked file and does not read it again.
    """
    if earlier.is_file() and earlier.stat().st_size == path.stat().st_size:
        digest = _digest(path)
        if _digest(earlier) == digest:
            link(earlier, target)
            return digest
    disk.copy(path, target)
    return _digest(target)


def _is_text_alone(corpus: str, folder: Path) -> bool:
    """Tell whether a custom corpus has no file but its annotations."""
    if corpus in CORPORA:
        return False
    return not folder.exists() or (folder.is_dir() and next(walk(folder), None) is None)


def _check_text_alone(folder: Path, out: Path, setting: str) -> None:
    """Refuse to replace clips that were copied earlier; their disk may not be connected."""
    if any(path.is_file() and path != out / SOURCE for path in out.rglob("*")):
        state = "is empty" if folder.exists() else "no such folder"
        raise DownloadError(
            f"{folder}: {state}, and {out} holds clips copied from it (is a disk not connected?); "
            f"correct {setting} in params.yaml, or delete {out} if the clips are gone for good"
        )


def check_user_folder(folder: Path, out: Path, setting: str, allowed: str, remedy: str) -> None:
    """Refuse a user's folder that does not exist, overlaps `out`, or holds a demo.

    Args:
        folder: named in params.yaml.
        out: folder that its copy goes to.
        setting: key in params.yaml that names `folder`.
        allowed: values that `setting` may have.
        remedy: how to ask for a demo.

    Raises:
        DownloadError: the folder cannot be copied.
    """
    if not folder.is_dir():
        fault = "a file, and a folder is needed" if folder.exists() else "no such folder"
        raise DownloadError(f"{folder}: {fault}; correct {setting} in params.yaml ({allowed})")
    if disk.nested(folder, out):
        raise DownloadError(
            f"{folder}: is or holds {out}, where the copy goes; set {setting} to another folder"
        )
    record = folder / SOURCE
    if record.is_file() and _DEMO.search(record.read_text(encoding="utf-8", errors="replace")):
        raise DownloadError(f"{record}: this is a demo; {remedy}")


def _digest(path: Path) -> Digest:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Digest(path.stat().st_size, sha256)


def _readable(folder: Path) -> tuple[list[Path], list[str]]:
    """List the files below `folder`, and the names of those that cannot be copied."""
    paths, left_out = [], []
    for path, fault in walk(folder):
        if reason := fault or misnamed(path.relative_to(folder)):
            log.warning("%s: %s; left out of the copy", printable(str(path)), reason)
            left_out.append(printable(path.relative_to(folder).as_posix()))
        elif path != folder / SOURCE:
            paths.append(path)
    return paths, left_out
