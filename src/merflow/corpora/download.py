"""Retrieve one file of a corpus and verify it by length and SHA-256.

pooch keeps a verified file, compares digests and puts only whole files in place. There is one
downloader per scheme: HTTP that resumes, a local copy, the Hugging Face Hub.
"""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pooch
from huggingface_hub import errors as hub
from huggingface_hub import hf_hub_download

from merflow.corpora import disk
from merflow.corpora.corpus import Source
from merflow.corpora.resume import ELSEWHERE, Http, Unavailable, host, wrong_length
from merflow.errors import FULL, DownloadError
from merflow.store import write_text

COLUMNS = ["url", "size", "sha256"]
HUB_URL = re.compile(r"hf://datasets/([^/@]+/[^/@]+)@([0-9a-f]{40})/(.+)")

# its messages name temporary paths; merflow.progress reports instead
pooch.get_logger().setLevel("WARNING")


@dataclass(frozen=True)
class Digest:
    """Length in bytes and hex SHA-256 of a file when it was first seen."""

    size: int
    sha256: str


def retrieve(source: Source, folder: Path, recorded: dict[str, Digest]) -> Path:
    """Retrieve the file of `source`, verified; without network if it lies in `folder` already.

    It is compared with what `source` publishes, else with `recorded`. A file with neither is
    trusted on first use.

    Args:
        source: file to download.
        folder: keeps the file as ``<name>``, and an interrupted download as ``<name>.part``.
        recorded: URL -> digest; gains the entry of this file.

    Raises:
        Unavailable: offline, or the publisher refuses, and nothing was received.
        DownloadError: the connection broke too often, the disk is full, or length or digest differ
            from the expected ones.
    """
    name, scheme = source.name, urlsplit(source.url).scheme
    if scheme not in DOWNLOADERS:
        prefixes = "://, ".join(DOWNLOADERS) + "://"
        raise DownloadError(f"{name}: {source.url}: must begin with {prefixes}")
    size, sha256 = _expected(source, recorded.get(source.url))
    path = folder / name
    with disk.one_line(name):
        if scheme == "file":
            # a local copy is cheap, and its original may have changed since
            path.unlink(missing_ok=True)
        expected = sha256 and f"sha256:{sha256}"
        downloader = DOWNLOADERS[scheme](path, size)
        try:
            pooch.retrieve(source.url, expected, name, folder, downloader=downloader)
        except ValueError as error:  # a wrong digest: pooch names both, and has deleted the file
            origin = "the corpus module publishes" if source.sha256 else "data/digests records"
            raise DownloadError(
                f"{name} from {host(source.url)} is not the file that {origin}: {error}"
            ) from error
        digest = Digest(path.stat().st_size, sha256 or pooch.file_hash(path))
        if size not in (None, digest.size) or (size is None and not digest.size):
            path.unlink()
            raise wrong_length(name, source.url, str(digest.size), size)
    recorded[source.url] = digest
    return path


def _expected(source: Source, recorded: Digest | None) -> tuple[int | None, str | None]:
    """Length and SHA-256 that a file must have, each as published, else as recorded."""
    size = recorded.size if source.size is None and recorded else source.size
    sha256 = recorded.sha256 if source.sha256 is None and recorded else source.sha256
    return size, sha256


def read_digests(path: Path) -> dict[str, Digest]:
    """Read recorded digests by URL; none where `path` does not exist.

    Raises:
        DownloadError: a line is not url,size,sha256.
    """
    if not path.exists():
        return {}
    digests = {}
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file), 1):
            if number == 1 and row == COLUMNS:
                continue
            if len(row) != 3 or not row[1].isdecimal() or not re.fullmatch("[0-9a-f]{64}", row[2]):
                raise DownloadError(
                    f"{path}: line {number} is not {','.join(COLUMNS)}; restore the file from git"
                )
            digests[row[0]] = Digest(int(row[1]), row[2])
    return digests


def write_digests(path: Path, digests: dict[str, Digest]) -> None:
    """Record `digests`, sorted by URL, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([url, digest.size, digest.sha256] for url, digest in sorted(digests.items()))
    write_text(path, text.getvalue())


class Local:
    """A pooch downloader for ``file://``: a copy, never a link."""

    def __init__(self, path: Path, size: int | None):
        self.path = path

    def __call__(
        self, url: str, output_file: str, _pooch: object, check_only: bool = False
    ) -> None:
        """Copy the file that `url` names; it must exist."""
        original = Path(url2pathname(urlsplit(url).path))
        if not original.is_file():
            raise Unavailable(f"{original}: no such file")
        disk.check_room(self.path.parent, original.stat().st_size, f"{original}: the copy")
        Path(output_file).unlink()  # pooch has made it, and a copy never overwrites
        disk.copy(original, Path(output_file))


class Hub:
    """A pooch downloader for the Hugging Face Hub, whose library resumes by itself."""

    def __init__(self, path: Path, size: int | None):
        self.path = path

    def __call__(
        self, url: str, output_file: str, _pooch: object, check_only: bool = False
    ) -> None:
        """Download one file of a data set at a commit."""
        match = HUB_URL.fullmatch(url)
        if not match:
            raise DownloadError(
                f"{url}: must be hf://datasets/<owner>/<name>@<commit, 40 hex digits>/<file>"
            )
        repository, commit, file = match.groups()
        folder = self.path.parent / "hub"
        try:
            downloaded = hf_hub_download(
                repository, file, repo_type="dataset", revision=commit, local_dir=folder
            )
        except (OSError, hub.EntryNotFoundError, hub.HTTPError) as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            reason = " ".join(str(error).split()).split(". ")[0]
            raise Unavailable(
                f"{file}: data set {repository} of the Hugging Face Hub cannot be had ({reason}); "
                f"{ELSEWHERE}"
            ) from error
        Path(downloaded).replace(output_file)


DOWNLOADERS: dict[str, Callable[[Path, int | None], Callable[..., None]]] = {
    "http": Http,
    "https": Http,
    "file": Local,
    "hf": Hub,
}
