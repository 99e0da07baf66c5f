"""The step ``checkpoint``: a pre-trained model or word vectors as a folder, whole and read-only.

SOURCE.json beside the files says what they are and holds their digests. Files are copied, never hard-linked: DVC makes
its outputs read-only, and whoever saves a model anew in a linked folder would write into DVC's cache. Where the file
system can, a copy shares its blocks with the original (merflow.corpora.disk).
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from merflow.checkpoints import demo, files
from merflow.checkpoints.hub import snapshot
from merflow.corpora import disk
from merflow.corpora.corpus import Source
from merflow.corpora.download import read_digests, write_digests
from merflow.corpora.fetch import check_user_folder, download
from merflow.corpora.resume import Unavailable
from merflow.corpora.unpack import is_archive
from merflow.errors import CheckpointError, DownloadError
from merflow.params import CheckpointParams, validated
from merflow.paths import SOURCE
from merflow.progress import log
from merflow.store import whole_folder, write_json


def fetch(name: str, spec: dict[str, Any], out: Path, scratch: Path, digests: Path) -> None:
    """Build `out`: the files of a checkpoint and SOURCE.json (name, place, revision, sha256 of all files, files).

    `out` is whole afterwards, or as it was before. Finished and partial downloads stay in `scratch` until all is done.

    Args:
        name: key in params.yaml under checkpoints.
        spec: its block there.
        out: data/checkpoints/<name>.
        scratch: folder for downloads.
        digests: folder of ``checkpoints/<name>.csv``, which records what a download was the first time (under git).

    Raises:
        ParamsError: `spec` is no place of a checkpoint.
        CheckpointError: it cannot be had or trusted, is not what it should be, or the disk has no room.
    """
    checkpoint = validated(CheckpointParams, spec, f"checkpoints.{name}")
    log.info("checkpoint %s: %s", name, checkpoint.name)
    try:
        with whole_folder(out, read_only=True) as build:
            _fill(name, checkpoint, build, out, scratch, digests)
            found = {
                path.relative_to(build).as_posix(): _sha256(path)
                for path in sorted(build.rglob("*"))
                if path.is_file()
            }
            listing = "".join(
                f"{digest}  {file}\n" for file, digest in sorted(found.items())
            )  # as sha256sum prints it
            sha256 = hashlib.sha256(listing.encode()).hexdigest()
            card = {
                "name": checkpoint.name,
                "place": checkpoint.place,
                "revision": checkpoint.revision,
                "sha256": sha256,
                "files": found,
            }
            write_json(build / SOURCE, card)
    except (CheckpointError, DownloadError) as error:
        setting = (
            f": checkpoints.{name}.folder" if isinstance(error, Unavailable) else ""
        )  # the message ends with what it is for
        raise CheckpointError(f"checkpoint {name}: {error}{setting}") from error
    shutil.rmtree(scratch, ignore_errors=True)


def _fill(
    name: str, checkpoint: CheckpointParams, build: Path, out: Path, scratch: Path, digests: Path
) -> None:
    """Put the files into `build`."""
    if checkpoint.hub and checkpoint.revision:
        _copy(files.of_model(snapshot(checkpoint.hub, checkpoint.revision, scratch)), build)
    elif checkpoint.url:
        _download(checkpoint.url, build, scratch, digests / "checkpoints" / f"{name}.csv")
    elif checkpoint.package:
        _copy(files.of_model(_inside(checkpoint.package)), build)
    elif checkpoint.folder:
        _copy(_of_folder(name, Path(checkpoint.folder).expanduser(), out), build)
    elif checkpoint.demo:
        demo.make(checkpoint.demo, build)


def _inside(package: str) -> Path:
    """The one folder in an installed package that holds a model."""
    try:
        inside = metadata.files(package) or []
    except metadata.PackageNotFoundError as error:
        raise CheckpointError(
            f"the package {package} is not installed; run `make env`, or name another one in params.yaml"
        ) from error
    folders = [
        folder
        for file in inside
        if file.name == "config.json" and files.is_model(folder := Path(str(file.locate())).parent)
    ]
    if len(folders) != 1:
        raise CheckpointError(
            f"expected one folder with config.json and *.safetensors in the package {package}, found {len(folders)}; name another one in "
            "params.yaml"
        )
    return folders[0]


def _of_folder(name: str, folder: Path, out: Path) -> list[Path]:
    """Files of a user's folder: of a model, or the one of word vectors."""
    setting = f"checkpoints.{name}.folder"
    remedy = "set {demo: ...}, so that no table shows it as another checkpoint"
    check_user_folder(folder, out, setting, "a folder that holds the checkpoint", remedy)
    if (folder / "config.json").exists():
        return files.of_model(folder)
    return [files.of_vectors([path for path in folder.iterdir() if path.is_file()], str(folder))]


def _copy(paths: Sequence[Path], build: Path) -> None:
    disk.check_room(build, sum(path.stat().st_size for path in paths), "the copy")
    for path in paths:
        with disk.one_line(str(path)):
            disk.copy(path, build / path.name)


def _download(url: str, build: Path, scratch: Path, record: Path) -> None:
    """Word vectors from a file or an archive of one, at the top of `build`; what it was is recorded where nobody knew."""
    source = Source(url)
    known = read_digests(record)
    found, _ = download(
        [replace(source, unpack=is_archive(Path(source.name)))], build, scratch / "downloads", known
    )
    try:
        path = files.of_vectors([path for path in build.rglob("*") if path.is_file()], source.name)
    except CheckpointError:
        if url not in known:
            shutil.rmtree(
                scratch / "downloads"
            )  # only trusted until now: the next run brings it anew
        raise
    if path.parent != build:
        path.rename(build / path.name)
    for path in build.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    if known | found != known:
        write_digests(record, known | found)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
