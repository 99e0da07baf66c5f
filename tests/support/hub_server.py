"""A Hugging Face Hub on this machine, with the HTTP interface that merflow uses."""

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
    """State of the server.

    Attributes:
        repositories: owner/name -> commit -> file -> content.
        pulls: owner/name -> number of a pull request -> commit.
        requests: method and path of all requests, in order.
        breaks_after: bytes after which the next file breaks off; None: it is sent whole.
    """

    repositories: dict[str, dict[str, dict[str, bytes]]]
    pulls: dict[str, dict[int, str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    breaks_after: int | None = None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0].strip("/").split("/")
        self.hub.requests.append(f"{self.command} {'/'.join(path)}")
        is_api = path[0] == "api"
        repository = "/".join(path[2:4] if is_api else path[:2])
        commits = self.hub.repositories.get(repository)
        if commits is None:
            return self.answer(404, b"{}", X_Error_Code="RepoNotFound")
        if path[-1] == "refs":
            return self.answer_json(self.refs(repository))
        commit = path[5] if is_api else path[3]
        if commit not in commits:
            return self.answer(404, b"{}", X_Error_Code="RevisionNotFound")
        if is_api:
            return self.answer_json(
                [
                    {"type": "file", "path": name, "size": len(body), "oid": etag(body)}
                    for name, body in commits[commit].items()
                ]
            )
        return self.send_file(commit, commits[commit]["/".join(path[4:])])

    def refs(self, repository: str) -> dict[str, list]:
        commit = next(iter(self.hub.repositories[repository]))
        pulls = [
            {"name": str(n), "ref": f"refs/pr/{n}", "targetCommit": pull_commit}
            for n, pull_commit in self.hub.pulls[repository].items()
        ]
        branches = [{"name": "main", "ref": "refs/heads/main", "targetCommit": commit}]
        return {"branches": branches, "converts": [], "tags": [], "pullRequests": pulls}

    def send_file(self, commit: str, body: bytes) -> None:
        if self.command == "GET" and self.hub.breaks_after is not None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: self.hub.breaks_after])
            self.close_connection = True
            return
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        headers = {"ETag": f'"{etag(body)}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        self.answer(206 if "Range" in self.headers else 200, body[start:], **headers)

    def answer_json(self, value: object) -> None:
        self.answer(200, json.dumps(value).encode())

    def answer(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **headers,
        }
        for name, value in headers.items():
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
    """Point huggingface_hub to `hub` and to the folder `cache`."""
    constants = huggingface_hub.constants
    with listening(type("OneHub", (Handler,), {"hub": hub})) as url:
        template = url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        yield hub
