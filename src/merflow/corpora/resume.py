"""Download one file over HTTP, and resume after a broken connection or a killed run.

Range, If-Range and 416 as in RFC 9110, sections 13 and 14. Hosts of large corpora are known to
reset connections.
"""

import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3

from merflow.corpora import disk
from merflow.errors import DownloadError
from merflow.progress import log
from merflow.store import write_json

CHUNK = 2**18  # bytes; a reset loses less than one chunk
TIMEOUT_S = (10.0, 60.0)  # to connect, and between two bytes
TRIES = 6  # in a row that bring less than PROGRESS each
PROGRESS = 2**20  # bytes
PAUSE_S = 1.0  # before the second try; doubles with every failed one
RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})  # statuses worth another try
ELSEWHERE = (
    "check the network and run again, or name a folder that holds it (or a demo) in params.yaml"
)


class Unavailable(DownloadError):
    """The publisher refuses the file or cannot be reached, and nothing was received."""


class _Interrupted(Exception):
    """This try failed; another one may succeed."""


@dataclass(frozen=True)
class _Partial:
    """Identity of the file that is partly downloaded; the download resumes while it holds."""

    url: str
    validator: str | None  # strong ETag, else Last-Modified
    total: int | None  # bytes of the whole file


class Http:
    """A pooch downloader that resumes.

    The partial file lies beside `path` as ``<name>.part``, its origin as ``<name>.part.json``.
    """

    def __init__(self, path: Path, size: int | None):
        """Prepare the download of one file.

        Args:
            path: file to make.
            size: expected bytes; None: unknown.
        """
        self.name, self.size, self.reached = path.name, size, False
        self.partial_path = path.with_name(f"{path.name}.part")
        self.state_path = path.with_name(f"{path.name}.part.json")

    def __call__(
        self, url: str, output_file: str, _pooch: object, check_only: bool = False
    ) -> None:
        """Download `url` to `output_file`.

        Raises:
            Unavailable: no answer, or a refusal, and nothing was received.
            DownloadError: the connection broke too often, the length differs from the expected
                one, or the disk is full.
        """
        failures = 0
        while not self._complete(url):
            before = self._received()
            try:
                self._receive(url)
                break
            except (requests.RequestException, urllib3.exceptions.HTTPError, _Interrupted) as error:
                cause = innermost(error)
                failures = 1 if self._received() - before >= PROGRESS else failures + 1
                if failures >= TRIES or not self.reached:
                    raise self._given_up(url, cause) from error
                size = disk.megabytes(self._received())
                log.info("%s: %s; going on at %s MB", self.name, cause, size)
                time.sleep(PAUSE_S * 2 ** (failures - 1))
        self.partial_path.replace(output_file)
        self.state_path.unlink()

    def _received(self) -> int:
        return self.partial_path.stat().st_size if self.partial_path.exists() else 0

    def _state(self, url: str) -> _Partial | None:
        try:
            state = _Partial(**json.loads(self.state_path.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None  # of unknown origin: the download starts anew
        return state if state.url == url and self.partial_path.exists() else None

    def _complete(self, url: str) -> bool:
        state = self._state(url)
        return state is not None and state.total is not None and self._received() == state.total

    def _receive(self, url: str) -> None:
        """Request the rest of the file, or the whole, and append it on the disk."""
        state, offset = self._state(url), self._received()
        headers = _range_headers(state, offset)
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
            self.reached = True
            status = response.status_code
            if status in RETRYABLE:
                raise _Interrupted(f"the server answers {status} {response.reason}")
            if status in (206, 416) and state is not None:
                total = self._check_range(response, state, offset)
            elif status == 200:
                offset, total = 0, self._start_anew(url, response)
            else:
                raise Unavailable(
                    f"{self.name}: {host(url)} answers {status} {response.reason} for {url}; "
                    f"{ELSEWHERE}"
                )
            if total is not None and self.size not in (None, total):
                self._discard()
                raise wrong_length(self.name, url, str(total), self.size)
            if status != 416:
                chunks = response.raw.stream(CHUNK, decode_content=False)
                self._write(url, chunks, offset, total or self.size)
            if total is not None and self._received() < total:
                raise _Interrupted("the connection ended early")

    def _check_range(self, response: requests.Response, state: _Partial, offset: int) -> int | None:
        """Check an answer to a range request, and return the length of the whole file.

        416 is fine if the partial file is whole already.
        """
        content_range = response.headers.get("Content-Range", "")
        span = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", content_range)
        start, total = None, None
        if span and span[2] != "*":
            start, total = int(span[1] or offset), int(span[2])
        whole = response.status_code != 416 or total == offset
        if start != offset or state.total not in (None, total) or not whole:
            self._discard()
            raise _Interrupted("the server no longer has the file that was begun")
        return total

    def _start_anew(self, url: str, response: requests.Response) -> int | None:
        """Discard the partial file; return the length of the whole, if the server names it."""
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        if is_page and not self.name.endswith((".html", ".htm")):
            raise Unavailable(
                f"{self.name}: {host(url)} sends a web page instead of the file (a login or an "
                f"error?); {ELSEWHERE}"
            )
        self._discard()
        etag = response.headers.get("ETag", "W/")
        length = response.headers.get("Content-Length", "")
        validator = response.headers.get("Last-Modified") if etag.startswith("W/") else etag
        total = int(length) if length.isdecimal() else None
        write_json(self.state_path, asdict(_Partial(url, validator, total)))
        return total

    def _write(self, url: str, chunks: Iterable[bytes], offset: int, total: int | None) -> None:
        needed = (total or offset) - offset
        disk.check_room(self.partial_path.parent, needed, f"{self.name}: the download")
        with self.partial_path.open("ab") as file:
            for chunk in _logged(chunks, self.name, offset, total):
                file.write(chunk)
                if total is not None and file.tell() > total:
                    self._discard()
                    raise wrong_length(self.name, url, f"more than {total}", total)

    def _discard(self) -> None:
        self.partial_path.unlink(missing_ok=True)
        self.state_path.unlink(missing_ok=True)

    def _given_up(self, url: str, cause: str) -> DownloadError:
        failure = "cannot be reached"
        if self.reached:
            failure = f"breaks off {TRIES} times without progress"
        message = f"{self.name}: {host(url)} {failure} ({cause});"
        if not self._received():
            return Unavailable(f"{message} {ELSEWHERE}")
        kept = disk.megabytes(self._received())
        return DownloadError(f"{message} {kept} MB are kept, {ELSEWHERE}")


def host(url: str) -> str:
    """Host of a URL; never its whole authority, which may hold a password."""
    split = urlsplit(url)
    return split.hostname or split.scheme


def wrong_length(name: str, url: str, length: str, expected: int | None) -> DownloadError:
    """Make the error for a file that is longer or shorter than expected, or empty."""
    wanted = "it must not be empty" if expected is None else f"expected are {expected}"
    return DownloadError(
        f"{name} from {host(url)}: {length} bytes, {wanted}; deleted, run again, or name a folder "
        "that holds it in params.yaml"
    )


def _range_headers(state: _Partial | None, offset: int) -> dict[str, str]:
    """Headers of a request for the bytes from `offset` on, or for the whole file."""
    # lengths and digests are of the file, not of a compressed transfer
    headers = {"Accept-Encoding": "identity"}
    if state is not None and offset:
        headers["Range"] = f"bytes={offset}-"
        if state.validator:
            headers["If-Range"] = state.validator
    return headers


def _logged(
    chunks: Iterable[bytes], name: str, done: int, total: int | None, every_s: float = 5.0
) -> Iterator[bytes]:
    """Pass chunks through, and log progress in MB and MB/s."""
    offset, start = done, time.monotonic()
    last_log = start
    of_total = f" of {disk.megabytes(total)}" if total else ""
    for chunk in chunks:
        yield chunk
        done, now = done + len(chunk), time.monotonic()
        if now - last_log >= every_s:
            last_log = now
            rate = (done - offset) / 1e6 / (now - start)
            log.info("%s: %s%s MB (%.1f MB/s)", name, disk.megabytes(done), of_total, rate)


def innermost(error: BaseException) -> str:
    """Name the innermost cause: requests and urllib3 wrap "Connection refused" three times."""
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
