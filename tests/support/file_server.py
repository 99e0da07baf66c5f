"""A local web server that behaves well, unless a script lets it misbehave."""

import hashlib
import re
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from merflow.corpora.resume import CHUNK


@dataclass
class Site:
    """State of a server.

    Attributes:
        files: path -> content.
        url: address of the server.
        script: next answers; after these it answers well.
        requests: headers of each request.
        sent: bytes.
    """

    files: dict[str, bytes]
    url: str = ""
    script: list[Callable[["Handler", bytes], None]] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        self.site.requests.append(dict(self.headers))
        self.close_connection = True
        body = self.site.files.get(self.path.split("?")[0].lstrip("/"))
        if body is None:
            return status(404)(self, b"")
        (self.site.script.pop(0) if self.site.script else well)(self, body)

    def head(self, code: int, **headers: object) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def body(self, body: bytes) -> None:
        self.site.sent += len(body)  # before the client can have it all
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def span(handler: Handler, body: bytes) -> tuple[int, int, dict[str, object]]:
    """Status, first byte and headers of a right answer: RFC 9110, section 14."""
    etag, length = f'"{hashlib.sha256(body).hexdigest()[:8]}"', len(body)
    byte_range = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    if not byte_range or handler.headers.get("If-Range", etag) != etag:
        return 200, 0, {"ETag": etag, "Content_Length": length}
    start = int(byte_range[1])
    if start >= length:
        return 416, length, {"Content_Range": f"bytes */{length}", "Content_Length": 0}
    content_range = f"bytes {start}-{length - 1}/{length}"
    headers = {"ETag": etag, "Content_Length": length - start, "Content_Range": content_range}
    return 206, start, headers


def well(handler: Handler, body: bytes) -> None:
    """Answer right."""
    code, start, headers = span(handler, body)
    handler.head(code, **headers)
    handler.body(body[start:])


def ignoring_ranges(handler: Handler, body: bytes) -> None:
    """Send the whole body, whatever range is asked for."""
    handler.head(200, Content_Length=len(body))
    handler.body(body)


def breaking_after(count: int) -> Callable[[Handler, bytes], None]:
    """Answer right, and end after `count` bytes."""

    def answer(handler: Handler, body: bytes) -> None:
        code, start, headers = span(handler, body)
        handler.head(code, **headers)
        handler.body(body[start : start + count])

    return answer


def resetting(handler: Handler, body: bytes) -> None:
    """Reset the connection without an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def claiming(length: int) -> Callable[[Handler, bytes], None]:
    """Send the whole body under a wrong Content-Length."""

    def answer(handler: Handler, body: bytes) -> None:
        handler.head(200, Content_Length=length)
        handler.body(body)

    return answer


def chunked(ended: bool = True) -> Callable[[Handler, bytes], None]:
    """Send the whole body without its length; unless `ended`, also without the last chunk."""

    def answer(handler: Handler, body: bytes) -> None:
        handler.head(200, Transfer_Encoding="chunked", ETag=span(handler, body)[2].get("ETag", ""))
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(body), body))
        handler.wfile.write(b"0\r\n\r\n" if ended else b"")

    return answer


def status(code: int) -> Callable[[Handler, bytes], None]:
    """Answer with a status and no body."""
    return lambda handler, body: handler.head(code, Content_Length=0)


def killing(children: list[subprocess.Popen], scratch: Path) -> Callable[[Handler, bytes], None]:
    """Begin to answer, wait for two chunks in `scratch`, and kill the first child."""

    def answer(handler: Handler, body: bytes) -> None:
        code, _, headers = span(handler, body)
        handler.head(code, **headers)
        handler.body(body[:600_000])
        deadline = time.monotonic() + 30
        while not _has_two_chunks(scratch) and time.monotonic() < deadline:
            time.sleep(0.01)
        children[0].kill()

    return answer


def _has_two_chunks(scratch: Path) -> bool:
    return any(path.stat().st_size == 2 * CHUNK for path in scratch.rglob("*.part"))


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Site]:
    """Serve `files` (path -> content) while the block runs."""
    site = Site(files)
    with listening(type("OneSite", (Handler,), {"site": site})) as site.url:
        yield site


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer with `handler` while the block runs, and yield the server's URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # a client that hangs up is part of the play
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> int:
    """Find a local port without a listener."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
