"""A Hub on this machine: repositories at commits, files, refs and pull requests; as much of its HTTP interface as the step uses."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import huggingface_hub.constants
import pytest

from support.file_server import listening


@dataclass
class Hub:
    """`repositories`: owner/name -> commit -> file -> content; `pulls`: owner/name -> number -> commit."""

    repositories: dict[str, dict[str, dict[str, bytes]]]
    pulls: dict[str, dict[int, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    breaks_after: int | None = None  # bytes of the next file


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0].strip("/").split("/")
        self.hub.asked.append(f"{self.command} {'/'.join(path)}")
        repository = "/".join(path[2:4] if path[0] == "api" else path[:2])
        commits = self.hub.repositories.get(repository)
        if commits is None:
            return self.answer(404, b"{}", X_Error_Code="RepoNotFound")
        if path[-1] == "refs":
            refs = [{"name": "main", "ref": "refs/heads/main", "targetCommit": next(iter(commits))}]
            pulls = [
                {"name": str(n), "ref": f"refs/pr/{n}", "targetCommit": commit}
                for n, commit in self.hub.pulls[repository].items()
            ]
            return self.answer(
                200,
                json.dumps(
                    {"branches": refs, "converts": [], "tags": [], "pullRequests": pulls}
                ).encode(),
            )
        commit = path[5] if path[0] == "api" else path[3]
        if commit not in commits:
            return self.answer(404, b"{}", X_Error_Code="RevisionNotFound")
        if path[0] == "api":
            listed = [
                {"type": "file", "path": name, "size": len(body), "oid": etag(body)}
                for name, body in commits[commit].items()
            ]
            return self.answer(200, json.dumps(listed).encode())
        body = commits[commit]["/".join(path[4:])]
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        if self.command == "GET" and self.hub.breaks_after is not None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: self.hub.breaks_after])
            self.close_connection = True
            return None
        code = 206 if "Range" in self.headers else 200
        return self.answer(
            code, body[start:], ETag=f'"{etag(body)}"', X_Repo_Commit=commit, Accept_Ranges="bytes"
        )

    def answer(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **headers,
        }.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def etag(body: bytes) -> str:
    return hashlib.sha1(body).hexdigest()


@contextmanager
def running(hub: Hub, monkeypatch: pytest.MonkeyPatch, cache: object) -> Iterator[Hub]:
    """The library asks `hub` instead, and has an empty cache."""
    constants = huggingface_hub.constants
    with listening(type("OneHub", (Handler,), {"hub": hub})) as url:
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        yield hub
