"""Retrieve one file of a corpus and show that it is the file, by length and SHA-256.

pooch keeps what is there and verified, compares digests and puts only whole files in place; how the bytes come is
one downloader per scheme: HTTP that resumes, a local copy, the Hugging Face Hub.
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
from merflow.errors import DownloadError
from merflow.store import write_text

COLUMNS = ["url", "size", "sha256"]
HUB_URL = re.compile(r"hf://datasets/([^/@]+/[^/@]+)@([0-9a-f]{40})/(.+)")

pooch.get_logger().setLevel(
    "WARNING"
)  # its lines name temporary paths; ours are in merflow.progress


@dataclass(frozen=True)
class Digest:
    """What a file was when it was first seen: length in bytes and hex SHA-256."""

    size: int
    sha256: str


def retrieve(source: Source, folder: Path, known: dict[str, Digest]) -> Path:
    """The file of `source`, verified; without network where it already lies in `folder`.

    Checked is what `source` publishes, else what `known` recorded; a file with neither is trusted on first use.

    Args:
        folder: keeps the file as ``<name>``, and what a broken connection brought as ``<name>.part``.
        known: URL -> digest; gains the entry of this file.

    Raises:
        Unavailable: offline, or the publisher refuses, and nothing was received.
        DownloadError: the connection broke too often, the disk is full, or length or digest are not what they should be.
    """
    name, recorded, scheme = source.name, known.get(source.url), urlsplit(source.url).scheme
    size = recorded.size if source.size is None and recorded else source.size
    sha256 = recorded.sha256 if source.sha256 is None and recorded else source.sha256
    path = folder / name
    if scheme not in DOWNLOADERS:
        raise DownloadError(
            f"{name}: {source.url}: must begin with {', '.join(f'{known}://' for known in DOWNLOADERS)}"
        )
    with disk.one_line(name):
        if scheme == "file":
            path.unlink(
                missing_ok=True
            )  # a local copy is cheap, and its original may have changed since
        try:
            pooch.retrieve(
                source.url,
                sha256 and f"sha256:{sha256}",
                name,
                folder,
                downloader=DOWNLOADERS[scheme](path, size),
            )
        except (
            ValueError
        ) as error:  # pooch's word for a wrong digest; names both, and the file is gone
            which = "the corpus module publishes" if source.sha256 else "data/digests records"
            raise DownloadError(
                f"{name} from {host(source.url)} is not the file that {which}: {error}"
            ) from error
        found = Digest(path.stat().st_size, sha256 or pooch.file_hash(path))
        if size not in (None, found.size) or (size is None and not found.size):
            path.unlink()
            raise wrong_length(name, source.url, str(found.size), size)
    known[source.url] = found
    return path


def read_digests(path: Path) -> dict[str, Digest]:
    """URL -> digest as recorded; none where `path` does not exist.

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
    writer.writerows(
        [COLUMNS, *([url, digest.size, digest.sha256] for url, digest in sorted(digests.items()))]
    )
    write_text(path, text.getvalue())


class Local:
    """A pooch downloader for ``file://``: a copy, never a link."""

    def __init__(self, path: Path, size: int | None):
        self.path = path

    def __call__(
        self, url: str, output_file: str, _pooch: object, check_only: bool = False
    ) -> None:
        """Copy the file that `url` names; it must exist."""
        origin = Path(url2pathname(urlsplit(url).path))
        if not origin.is_file():
            raise Unavailable(f"{origin}: no such file")
        disk.check_room(self.path.parent, origin.stat().st_size, f"{origin}: the copy")
        Path(output_file).unlink()  # pooch has made it, and a copy never overwrites
        disk.copy(origin, Path(output_file))


class Hub:
    """A pooch downloader for data sets on the Hugging Face Hub, whose library resumes by itself."""

    def __init__(self, path: Path, size: int | None):
        self.path = path

    def __call__(
        self, url: str, output_file: str, _pooch: object, check_only: bool = False
    ) -> None:
        """Bring one file of a data set at a commit."""
        match = HUB_URL.fullmatch(url)
        if not match:
            raise DownloadError(
                f"{url}: must be hf://datasets/<owner>/<name>@<commit, 40 hex digits>/<file>"
            )
        repository, commit, file = match.groups()
        try:
            got = hf_hub_download(
                repository,
                file,
                repo_type="dataset",
                revision=commit,
                local_dir=self.path.parent / "hub",
            )
        except (OSError, hub.EntryNotFoundError, hub.HTTPError) as error:
            if isinstance(error, OSError) and error.errno in disk.FULL:
                raise
            reason = " ".join(str(error).split()).split(". ")[0]
            raise Unavailable(
                f"{file}: data set {repository} of the Hugging Face Hub cannot be had ({reason}); {ELSEWHERE}"
            ) from error
        Path(got).replace(output_file)


DOWNLOADERS: dict[str, Callable[[Path, int | None], Callable[..., None]]] = {
    "http": Http,
    "https": Http,
    "file": Local,
    "hf": Hub,
}
