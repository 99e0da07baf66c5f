"""A web server on this machine that behaves well, unless told to misbehave on its next answers."""

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
    """What a server holds, how it answers next (`script`, then well), and what it was asked."""

    files: dict[str, bytes]
    url: str = ""
    script: list[Callable[["Handler", bytes], None]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        self.site.asked.append(dict(self.headers))
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
    etag = f'"{hashlib.sha256(body).hexdigest()[:8]}"'
    wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    if not wanted or handler.headers.get("If-Range", etag) != etag:
        return 200, 0, {"ETag": etag, "Content_Length": len(body)}
    start = int(wanted[1])
    if start >= len(body):
        return 416, len(body), {"Content_Range": f"bytes */{len(body)}", "Content_Length": 0}
    return (
        206,
        start,
        {
            "ETag": etag,
            "Content_Length": len(body) - start,
            "Content_Range": f"bytes {start}-{len(body) - 1}/{len(body)}",
        },
    )


def well(handler: Handler, body: bytes) -> None:
    code, start, headers = span(handler, body)
    handler.head(code, **headers)
    handler.body(body[start:])


def ignoring_ranges(handler: Handler, body: bytes) -> None:
    handler.head(200, Content_Length=len(body))
    handler.body(body)


def breaking_after(count: int) -> Callable[[Handler, bytes], None]:
    """A right answer that ends after `count` bytes."""

    def answer(handler: Handler, body: bytes) -> None:
        code, start, headers = span(handler, body)
        handler.head(code, **headers)
        handler.body(body[start : start + count])

    return answer


def resetting(handler: Handler, body: bytes) -> None:
    """No answer at all: the connection is reset."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def claiming(length: int) -> Callable[[Handler, bytes], None]:
    """The whole body under a wrong Content-Length."""

    def answer(handler: Handler, body: bytes) -> None:
        handler.head(200, Content_Length=length)
        handler.body(body)

    return answer


def chunked(ended: bool = True) -> Callable[[Handler, bytes], None]:
    """The whole body, its length not said; without the last chunk where not `ended`."""

    def answer(handler: Handler, body: bytes) -> None:
        handler.head(200, Transfer_Encoding="chunked", ETag=span(handler, body)[2].get("ETag", ""))
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(body), body) + (b"0\r\n\r\n" if ended else b""))

    return answer


def status(code: int) -> Callable[[Handler, bytes], None]:
    return lambda handler, body: handler.head(code, Content_Length=0)


def killing(children: list[subprocess.Popen], scratch: Path) -> Callable[[Handler, bytes], None]:
    """Begins to answer, waits until two chunks lie in `scratch`, and kills the first of `children`."""

    def answer(handler: Handler, body: bytes) -> None:
        code, _, headers = span(handler, body)
        handler.head(code, **headers)
        handler.body(body[:600_000])
        deadline = time.monotonic() + 30
        while (
            not any(path.stat().st_size == 2 * CHUNK for path in scratch.rglob("*.part"))
            and time.monotonic() < deadline
        ):
            time.sleep(0.01)
        children[0].kill()

    return answer


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Site]:
    site = Site(files)
    with listening(type("OneSite", (Handler,), {"site": site})) as site.url:
        yield site


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The URL of a server that answers with `handler` while the block runs."""
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
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
