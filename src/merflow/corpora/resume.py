"""Bring one file over HTTP and go on where a broken connection, or a killed run, stopped.

Range, If-Range and 416 as in RFC 9110, sections 13 and 14. Hosts of large corpora are known to reset connections.
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

CHUNK = 2**18  # bytes; a reset loses less than one
TIMEOUT_S = (10.0, 60.0)  # to connect, and between two bytes
TRIES = 6  # in a row that bring less than PROGRESS each
PROGRESS = 2**20  # bytes
PAUSE_S = 1.0  # before the second try; doubles with every failed one
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # statuses worth another try
ELSEWHERE = (
    "check the network and run again, or name a folder that holds it (or a demo) in params.yaml"
)


class Unavailable(DownloadError):
    """The publisher does not hand the file out or cannot be reached, and nothing of it is here."""


class _Interrupted(Exception):
    """This try is over, another one may do."""


@dataclass(frozen=True)
class _Partial:
    """What a partial file is a part of; it is resumed only while all of this holds."""

    url: str
    validator: str | None  # strong ETag, else Last-Modified
    total: int | None  # bytes of the whole file


class Http:
    """A pooch downloader. The partial file lies beside `path` as ``<name>.part``, what it is a part of in ``<name>.part.json``."""

    def __init__(self, path: Path, size: int | None):
        self.name, self.size, self.reached = path.name, size, False
        self.part = path.with_name(f"{path.name}.part")
        self.state = path.with_name(f"{path.name}.part.json")

    def __call__(
        self, url: str, output_file: str, _pooch: object, check_only: bool = False
    ) -> None:
        """Bring `url` into `output_file`.

        Raises:
            Unavailable: no answer, or a refusal, and nothing was received.
            DownloadError: the connection broke too often, the length is not the expected one, or the disk is full.
        """
        failed = 0
        while not self._complete(url):
            before = self._have()
            try:
                self._receive(url)
                break
            except (requests.RequestException, urllib3.exceptions.HTTPError, _Interrupted) as error:
                failed = 1 if self._have() - before >= PROGRESS else failed + 1
                if failed >= TRIES or not self.reached:
                    raise self._given_up(url, _cause(error)) from error
                log.info(
                    "%s: %s; going on at %s MB",
                    self.name,
                    _cause(error),
                    disk.megabytes(self._have()),
                )
                time.sleep(PAUSE_S * 2 ** (failed - 1))
        self.part.replace(output_file)
        self.state.unlink()

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _begun(self, url: str) -> _Partial | None:
        try:
            begun = _Partial(**json.loads(self.state.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None  # nobody knows what the part is a part of: it is brought anew
        return begun if begun.url == url and self.part.exists() else None

    def _complete(self, url: str) -> bool:
        begun = self._begun(url)
        return begun is not None and begun.total is not None and self._have() == begun.total

    def _receive(self, url: str) -> None:
        begun, offset = self._begun(url), self._have()
        headers = {
            "Accept-Encoding": "identity"
        }  # lengths and digests are of the file, not of a packing on the way
        if begun is not None and offset:
            headers["Range"] = f"bytes={offset}-"
            if begun.validator:
                headers["If-Range"] = begun.validator
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
            self.reached = True
            if response.status_code in PASSING:
                raise _Interrupted(f"the server answers {response.status_code} {response.reason}")
            if response.status_code in (206, 416) and begun is not None:
                total = self._check_range(response, begun, offset)
            elif response.status_code == 200:
                offset, total = 0, self._begin(url, response)
            else:
                raise Unavailable(
                    f"{self.name}: {host(url)} answers {response.status_code} {response.reason} for {url}; {ELSEWHERE}"
                )
            if total is not None and self.size not in (None, total):
                self._forget()
                raise wrong_length(self.name, url, str(total), self.size)
            if response.status_code != 416:
                self._write(
                    url,
                    response.raw.stream(CHUNK, decode_content=False),
                    offset,
                    total or self.size,
                )
            if total is not None and self._have() < total:
                raise _Interrupted("the connection ended early")

    def _check_range(self, response: requests.Response, begun: _Partial, offset: int) -> int | None:
        """Length of the whole file by an answer to a range; 416 is well where the part is already whole."""
        span = re.fullmatch(
            r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", "")
        )
        start, total = (
            (int(span[1] or offset), int(span[2])) if span and span[2] != "*" else (None, None)
        )
        if (
            start != offset
            or begun.total not in (None, total)
            or (response.status_code == 416 and total != offset)
        ):
            self._forget()
            raise _Interrupted("the server no longer has the file that the part is of")
        return total

    def _begin(self, url: str, response: requests.Response) -> int | None:
        """Start anew with the whole file; its length, where the server says it."""
        if response.headers.get("Content-Type", "").startswith(
            "text/html"
        ) and not self.name.endswith((".html", ".htm")):
            raise Unavailable(
                f"{self.name}: {host(url)} sends a web page instead of the file (a login or an error?); {ELSEWHERE}"
            )
        self._forget()
        etag, length = (
            response.headers.get("ETag", "W/"),
            response.headers.get("Content-Length", ""),
        )
        validator = response.headers.get("Last-Modified") if etag.startswith("W/") else etag
        total = int(length) if length.isdecimal() else None
        write_json(self.state, asdict(_Partial(url, validator, total)))
        return total

    def _write(self, url: str, chunks: Iterable[bytes], offset: int, total: int | None) -> None:
        disk.check_room(self.part.parent, (total or offset) - offset, f"{self.name}: the download")
        with self.part.open("ab") as file:
            for chunk in _timed(chunks, self.name, offset, total):
                file.write(chunk)
                if total is not None and file.tell() > total:
                    self._forget()
                    raise wrong_length(self.name, url, f"more than {total}", total)

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.state.unlink(missing_ok=True)

    def _given_up(self, url: str, cause: str) -> DownloadError:
        what = f"breaks off {TRIES} times without progress" if self.reached else "cannot be reached"
        if not self._have():
            return Unavailable(f"{self.name}: {host(url)} {what} ({cause}); {ELSEWHERE}")
        return DownloadError(
            f"{self.name}: {host(url)} {what} ({cause}); {disk.megabytes(self._have())} MB are kept, {ELSEWHERE}"
        )


def host(url: str) -> str:
    """Who is asked; never the whole authority of a URL, which may hold a password."""
    parts = urlsplit(url)
    return parts.hostname or parts.scheme


def wrong_length(name: str, url: str, found: str, expected: int | None) -> DownloadError:
    """The one line for a file that is longer or shorter than it should be, or empty."""
    wanted = "it must not be empty" if expected is None else f"expected are {expected}"
    return DownloadError(
        f"{name} from {host(url)}: {found} bytes, {wanted}; deleted, run again, or name a folder that holds it in params.yaml"
    )


def _timed(
    chunks: Iterable[bytes], name: str, done: int, total: int | None, every_s: float = 5.0
) -> Iterator[bytes]:
    """Pass chunks through and say how far the file is, in MB and MB/s."""
    begun, start = done, time.monotonic()
    said = start
    for chunk in chunks:
        yield chunk
        done, now = done + len(chunk), time.monotonic()
        if now - said >= every_s:
            said = now
            whole = f" of {disk.megabytes(total)}" if total else ""
            log.info(
                "%s: %s%s MB (%.1f MB/s)",
                name,
                disk.megabytes(done),
                whole,
                (done - begun) / 1e6 / (now - start),
            )


def _cause(error: BaseException) -> str:
    """The innermost cause: requests and urllib3 wrap "Connection refused" three times."""
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
