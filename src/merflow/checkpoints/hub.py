"""A repository of the Hugging Face Hub at a commit, safetensors only.

It comes from the local cache of the Hub's library, or else is downloaded.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub import errors as hub

from merflow.checkpoints.files import PATTERNS, is_model
from merflow.corpora import disk
from merflow.corpora.resume import ELSEWHERE, Unavailable
from merflow.errors import FULL, CheckpointError, MerflowError, reason
from merflow.progress import log

PULL_REQUESTS = 50  # searched for safetensors, the newest first

_ABSENT = (hub.RepositoryNotFoundError, hub.RevisionNotFoundError)
_FAILED = (OSError, hub.HTTPError, hub.EntryNotFoundError)


def snapshot(repository: str, commit: str, scratch: Path) -> Path:
    """Get a folder with the files of `repository` at `commit`, perhaps beside other files.

    Partial downloads stay in `scratch` and are resumed. A commit never changes, so a cached one
    needs no network.

    Raises:
        CheckpointError: the repository or commit does not exist, or has no safetensors.
        Unavailable: the Hub cannot be reached, and the commit is not in the cache.
        DownloadError: the disk has no room.
    """
    if present := cached(repository, commit):
        return present
    folder = scratch / "hub" / commit  # a folder per commit: files of two commits never mix
    get = _getter(repository, commit)
    try:
        files = get(local_dir=folder, dry_run=True)
        if not any(file.filename.endswith(".safetensors") for file in files):
            raise CheckpointError(
                f"{repository}@{commit[:7]} has no *.safetensors, and pickled weights are never "
                f"loaded; {_conversion(repository)}"
            )
        size = sum(file.file_size or 0 for file in files if file.will_download)
        disk.check_room(folder, size, f"{repository}: the download")
        log.info("%s: downloading %s MB", repository, disk.megabytes(size))
        return Path(get(local_dir=folder))
    except _FAILED as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        raise _download_error(repository, commit, error) from error


def cached(repository: str, commit: str) -> Path | None:
    """Folder of the model in the Hub's local cache; None if it is not there."""
    try:
        folder = Path(_getter(repository, commit)(local_files_only=True))
    except hub.LocalEntryNotFoundError:
        return None
    return folder if is_model(folder) else None


def _getter(repository: str, commit: str) -> Callable[..., Any]:
    """Download of the files of a model, which takes further options of the Hub's library."""
    return partial(
        snapshot_download,
        repository,
        revision=commit,
        allow_patterns=list(PATTERNS),
        ignore_patterns="*/*",
    )


def _download_error(repository: str, commit: str, error: Exception) -> MerflowError:
    if isinstance(error, _ABSENT) or isinstance(error.__cause__, _ABSENT):
        return CheckpointError(
            f"the Hub has no {repository} at {commit}, or it needs a login (`hf auth login`); "
            "correct hub and revision in params.yaml"
        )
    cause = reason(error.__cause__ or error, length=120)
    return Unavailable(
        f"{repository}@{commit[:7]} is not in the Hub's local cache and cannot be had ({cause}); "
        f"{ELSEWHERE}"
    )


def _conversion(repository: str) -> str:
    """Advise where safetensors of `repository` may be: on main, or in a pull request.

    The Hub's own converter opens pull requests with safetensors.
    """
    try:
        api = HfApi()
        refs = api.list_repo_refs(repository, include_pull_requests=True)
        pulls = sorted(refs.pull_requests or [], key=lambda pull: -int(pull.ref.rpartition("/")[2]))
        for ref in [*refs.branches, *pulls[:PULL_REQUESTS]]:
            files = api.list_repo_files(repository, revision=ref.target_commit)
            if any(file.endswith(".safetensors") for file in files):
                return (
                    f"{ref.ref} has some: if you trust who made it, set revision to its commit "
                    f"{ref.target_commit}"
                )
    except _FAILED:
        pass  # the advice is optional
    return "look for a commit or pull request (refs/pr/N) that has them, or name another repository"
