"""A repository of the Hugging Face Hub at a commit, safetensors only: from the local cache of its library, else downloaded."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub import errors as hub

from merflow.checkpoints.files import PATTERNS, is_model
from merflow.corpora import disk
from merflow.corpora.resume import ELSEWHERE, Unavailable
from merflow.errors import CheckpointError
from merflow.progress import log

PULL_REQUESTS = 50  # asked for safetensors at most, the newest first


def snapshot(repository: str, commit: str, scratch: Path) -> Path:
    """A folder with the files of `repository` at `commit`, other files perhaps beside them.

    Partial downloads stay in `scratch` and are gone on with. A commit never changes, so what is in the cache needs no network.

    Raises:
        CheckpointError: no such repository or commit, or no safetensors in it.
        Unavailable: no network, and not in the cache.
        DownloadError: the disk has no room.
    """
    folder = scratch / "hub" / commit  # a folder per commit: files of two commits never mix
    get: Callable[..., Any] = partial(
        snapshot_download,
        repository,
        revision=commit,
        allow_patterns=list(PATTERNS),
        ignore_patterns="*/*",
    )
    try:
        cached = Path(get(local_files_only=True))
        if is_model(cached):
            return cached
    except hub.LocalEntryNotFoundError:
        pass
    try:
        files = get(local_dir=folder, dry_run=True)
        if not any(file.filename.endswith(".safetensors") for file in files):
            raise CheckpointError(
                f"{repository}@{commit[:7]} has no *.safetensors, and pickled weights are never loaded; {_conversion(repository)}"
            )
        size = sum(file.file_size or 0 for file in files if file.will_download)
        disk.check_room(folder, size, f"{repository}: the download")
        log.info("%s: downloading %s MB", repository, disk.megabytes(size))
        return Path(get(local_dir=folder))
    except (OSError, hub.HTTPError, hub.EntryNotFoundError) as error:
        if isinstance(error, OSError) and error.errno in disk.FULL:
            raise
        if any(
            isinstance(one, hub.RepositoryNotFoundError | hub.RevisionNotFoundError)
            for one in (error, error.__cause__)
        ):
            raise CheckpointError(
                f"the Hub has no {repository} at {commit}, or it needs a login (`hf auth login`); correct hub and revision in params.yaml"
            ) from error
        reason = " ".join(str(error.__cause__ or error).split())[:120]
        raise Unavailable(
            f"{repository}@{commit[:7]} is not in the Hub's local cache and cannot be had ({reason}); {ELSEWHERE}"
        ) from error


def _conversion(repository: str) -> str:
    """Where safetensors of `repository` may be: main, or a pull request, as the Hub's own converter opens them."""
    try:
        api = HfApi()
        refs = api.list_repo_refs(repository, include_pull_requests=True)
        branches = [
            *refs.branches,
            *sorted(refs.pull_requests or [], key=lambda ref: -int(ref.ref.rpartition("/")[2]))[
                :PULL_REQUESTS
            ],
        ]
        for ref in branches:
            if any(
                file.endswith(".safetensors")
                for file in api.list_repo_files(repository, revision=ref.target_commit)
            ):
                return f"{ref.ref} has some: if you trust who made it, set revision to its commit {ref.target_commit}"
    except (OSError, hub.HTTPError, hub.EntryNotFoundError):
        pass  # the answer is worth a try, no more
    return "look for a commit or pull request (refs/pr/N) that has them, or name another repository"
