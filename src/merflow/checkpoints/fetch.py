"""The step ``checkpoint``: a pre-trained model or word vectors as a folder, whole and read-only.

SOURCE.json beside the files names their origin and holds their digests. Files are copied, never
hard-linked: DVC makes its outputs read-only, and saving a model in a linked folder would write
into DVC's cache. Where the file system can, a copy shares its blocks with the original
(merflow.corpora.disk).
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from merflow.checkpoints import demo
from merflow.checkpoints.files import is_model, model_files, vector_file
from merflow.checkpoints.hub import snapshot
from merflow.corpora import disk
from merflow.corpora.corpus import Source
from merflow.corpora.download import read_digests, write_digests
from merflow.corpora.fetch import check_user_folder, download
from merflow.corpora.resume import Unavailable
from merflow.corpora.unpack import is_archive
from merflow.errors import CheckpointError, DownloadError
from merflow.params import CheckpointParams, validated
from merflow.paths import SOURCE, of_user
from merflow.progress import log
from merflow.store import whole_folder, write_json


def fetch(name: str, params: dict[str, Any], out: Path, scratch: Path, digests: Path) -> None:
    """Build `out`: the files of a checkpoint, and SOURCE.json.

    `out` is whole afterwards, or as it was before. Finished and partial downloads stay in `scratch`
    until the step succeeds.

    Args:
        name: key in params.yaml under checkpoints.
        params: its parameters, a merflow.params.CheckpointParams.
        out: data/checkpoints/<name>.
        scratch: folder for downloads.
        digests: folder of ``checkpoints/<name>.csv`` (under git), which records the digest of a
            download at its first use.

    Raises:
        ParamsError: `params` do not name a checkpoint.
        CheckpointError: the checkpoint is unavailable, not trusted or of another kind, or the disk
            has no room.
    """
    checkpoint = validated(CheckpointParams, params, f"checkpoints.{name}")
    log.info("checkpoint %s: %s", name, checkpoint.name)
    try:
        with whole_folder(out, read_only=True) as build:
            _fill(name, checkpoint, build, out, scratch, digests)
            write_json(build / SOURCE, _describe(checkpoint, build))
    except (CheckpointError, DownloadError) as error:
        # an Unavailable ends with advice that this setting completes
        setting = f": checkpoints.{name}.folder" if isinstance(error, Unavailable) else ""
        raise CheckpointError(f"checkpoint {name}: {error}{setting}") from error
    shutil.rmtree(scratch, ignore_errors=True)


def _describe(checkpoint: CheckpointParams, build: Path) -> dict[str, Any]:
    """Compose SOURCE.json: name, place, revision, digest of each file, and digest of all files."""
    files = {
        path.relative_to(build).as_posix(): _sha256(path)
        for path in sorted(build.rglob("*"))
        if path.is_file()
    }
    # the digest is taken over the output of sha256sum
    listing = "".join(f"{digest}  {file}\n" for file, digest in sorted(files.items()))
    return {
        "name": checkpoint.name,
        "place": checkpoint.place,
        "revision": checkpoint.revision,
        "sha256": hashlib.sha256(listing.encode()).hexdigest(),
        "files": files,
    }


def _fill(
    name: str, checkpoint: CheckpointParams, build: Path, out: Path, scratch: Path, digests: Path
) -> None:
    """Put the files of the checkpoint into `build`."""
    if checkpoint.hub and checkpoint.revision:
        _copy(model_files(snapshot(checkpoint.hub, checkpoint.revision, scratch)), build)
    elif checkpoint.url:
        _download(checkpoint.url, build, scratch, digests / "checkpoints" / f"{name}.csv")
    elif checkpoint.demo:
        demo.make(checkpoint.demo, build)
    else:
        _copy(local_files(name, checkpoint, out), build)


def local_files(name: str, checkpoint: CheckpointParams, out: Path) -> list[Path]:
    """List the files of a checkpoint in a package or a folder.

    Args:
        name, out: as in `fetch`.
        checkpoint: its parameters, with a package or a folder.

    Raises:
        CheckpointError: the package is not installed, or the files are no checkpoint.
        DownloadError: the folder does not exist or cannot be copied.
    """
    if checkpoint.package:
        return model_files(_folder_of_package(checkpoint.package))
    return _files_of_folder(name, of_user(str(checkpoint.folder)), out)


def _folder_of_package(package: str) -> Path:
    """Find the only folder of an installed package that holds a model."""
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError as error:
        raise CheckpointError(
            f"the package {package} is not installed; run `make env`, or name another package "
            "in params.yaml"
        ) from error
    configs = [Path(str(file.locate())) for file in files if file.name == "config.json"]
    folders = [path.parent for path in configs if is_model(path.parent)]
    if len(folders) != 1:
        raise CheckpointError(
            f"expected one folder with config.json and *.safetensors in the package {package}, "
            f"found {len(folders)}; name another package in params.yaml"
        )
    return folders[0]


def _files_of_folder(name: str, folder: Path, out: Path) -> list[Path]:
    """List the files of a user's model, or the only file of word vectors."""
    setting = f"checkpoints.{name}.folder"
    remedy = "set {demo: ...}, so that no table shows it as another checkpoint"
    check_user_folder(folder, out, setting, "a folder that holds the checkpoint", remedy)
    if (folder / "config.json").exists():
        used = model_files(folder)
    else:
        used = [vector_file([path for path in folder.iterdir() if path.is_file()], str(folder))]
    if left_out := sorted({path.name for path in folder.iterdir()} - {path.name for path in used}):
        log.info("%s: not copied: %d (%s)", folder, len(left_out), ", ".join(left_out))
    return used


def _copy(paths: Sequence[Path], build: Path) -> None:
    disk.check_room(build, sum(path.stat().st_size for path in paths), "the copy")
    for path in paths:
        with disk.one_line(str(path)):
            disk.copy(path, build / path.name)


def _download(url: str, build: Path, scratch: Path, record: Path) -> None:
    """Download word vectors to the top of `build`.

    They are a file, or an archive of one file. The digest of a first download goes to `record`.
    """
    source = Source(url)
    source = replace(source, unpack=is_archive(Path(source.name)))
    downloads = scratch / "downloads"
    recorded = read_digests(record)
    downloaded, _ = download([source], build, downloads, recorded)
    try:
        path = vector_file([path for path in build.rglob("*") if path.is_file()], source.name)
    except CheckpointError:
        if url not in recorded:
            shutil.rmtree(downloads)  # without a recorded digest, the next run downloads anew
        raise
    if path.parent != build:
        path.rename(build / path.name)
    for path in build.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    if recorded | downloaded != recorded:
        write_digests(record, recorded | downloaded)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
