"""Pre-trained models as local folders in the Hub's format: config.json, tokenizer files, ``*.safetensors``.

Weights are read from safetensors only; a pickle (``pytorch_model.bin``) is neither downloaded nor loaded.
"""

from functools import partial
from importlib import metadata
from pathlib import Path

from merflow.errors import CheckpointError
from merflow.params import Checkpoint
from merflow.progress import log

#: What is downloaded of a Hub repository.
FILES = ("*.json", "*.txt", "*.safetensors")


def resolve(checkpoint: Checkpoint, local_only: bool = False) -> Path:
    """The folder that holds `checkpoint`, downloaded to the Hub's cache where that is needed, unless `local_only`.

    Raises:
        CheckpointError: no such folder, package or repository, no network, or no safetensors in it.
    """
    if checkpoint.hub is not None:
        return _complete(_snapshot(checkpoint, local_only), checkpoint)
    if checkpoint.package is not None:
        return _inside(checkpoint.package)
    return _complete(Path(str(checkpoint.folder)), checkpoint)


def _is_model(folder: Path) -> bool:
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def _complete(folder: Path, checkpoint: Checkpoint) -> Path:
    if not folder.is_dir():
        raise CheckpointError(f"checkpoint {checkpoint.name}: no such folder; correct `folder` in params.yaml")
    if not _is_model(folder):
        raise CheckpointError(
            f"checkpoint {checkpoint.name}: {folder} lacks config.json or *.safetensors (pickled weights are never loaded); "
            "save the model there with save_pretrained, or name another checkpoint in params.yaml"
        )
    return folder


def _inside(package: str) -> Path:
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError as error:
        raise CheckpointError(f"checkpoint {package}: the package is not installed; run `make env`, or name another one") from error
    folders = [folder for file in files if file.name == "config.json" and _is_model(folder := Path(str(file.locate())).parent)]
    if len(folders) != 1:
        raise CheckpointError(
            f"checkpoint {package}: expected one folder with config.json and *.safetensors in the package, found {len(folders)}; "
            "name another checkpoint in params.yaml"
        )
    return folders[0]


def _snapshot(checkpoint: Checkpoint, local_only: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    snapshot = partial(snapshot_download, str(checkpoint.hub), revision=checkpoint.revision, allow_patterns=list(FILES))
    try:
        return Path(snapshot(local_files_only=True))  # a commit never changes: no question to the Hub
    except LocalEntryNotFoundError as error:
        if local_only:
            raise CheckpointError(f"checkpoint {checkpoint.name}: not downloaded yet") from error
        log.info("checkpoint %s: downloading", checkpoint.name)
    try:
        return Path(snapshot())
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise CheckpointError(
            f"checkpoint {checkpoint.name}: the Hub has no such repository or commit, or it needs a login (`hf auth login`); "
            "correct hub and revision in params.yaml"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise CheckpointError(
            f"checkpoint {checkpoint.name}: not in the local cache, and cannot be downloaded ({' '.join(str(error).split())[:120]}); "
            "connect to the network once, or use the checkpoints of `merflow params demo`, which a package carries"
        ) from error
