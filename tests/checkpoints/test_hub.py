"""Checkpoints from the Hugging Face Hub: safetensors at a commit, cached or downloaded."""

import shutil
import time
from collections import namedtuple

import pytest
from support.checkpoint_step import MODEL, WEIGHTS, save_files, sha256
from support.hub_server import Hub, running

COMMIT, CONVERTED, OTHER = "a" * 40, "b" * 40, "c" * 40
PICKLES = {
    "pytorch_model.bin": b"\x80\x02pickle",
    "tf_model.h5": b"h5",
    "training_args.bin": b"\x80\x02",
    "onnx/config.json": b"{}",
}
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def no_sleep(monkeypatch):
    """Skip the pauses between tries of the Hub's library."""
    monkeypatch.setattr(time, "sleep", lambda _: None)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    pickled = {
        COMMIT: {"config.json": b"{}"} | PICKLES,
        OTHER: {"README.md": b""},
        CONVERTED: {"model.safetensors": WEIGHTS},
    }
    repositories = {"me/bert": {COMMIT: MODEL | PICKLES}, "me/pickled": pickled}
    pulls = {"me/pickled": {3: OTHER, 11: CONVERTED}}
    with running(Hub(repositories, pulls), monkeypatch, tmp_path / "cache") as hub:
        yield hub


def downloads(hub: Hub) -> list[str]:
    return [request for request in hub.requests if request.startswith("GET me/")]


def test_the_hub_gives_safetensors_and_their_files(checkout, hub):
    card = checkout.fetch(hub="me/bert", revision=COMMIT)
    assert checkout.files == MODEL
    digests = {name: sha256(content) for name, content in MODEL.items()}
    listing = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    assert card == {
        "name": "me/bert@aaaaaaa",
        "place": "hub",
        "revision": COMMIT,
        "files": digests,
        "sha256": sha256(listing.encode()),
    }
    for kind in ("bin", "h5", "onnx"):
        assert not [request for request in hub.requests if kind in request]
    assert {path.stat().st_mode & 0o777 for path in checkout.out.iterdir()} == {0o444}


def test_a_download_cut_short_is_resumed(checkout, hub, no_sleep):
    hub.breaks_after = 100_000
    hub.repositories["me/bert"][COMMIT] = MODEL
    assert "cannot be had" in checkout.refuse(hub="me/bert", revision=COMMIT)
    assert any(checkout.scratch.rglob("*"))
    hub.breaks_after = None
    checkout.fetch(hub="me/bert", revision=COMMIT)
    assert checkout.files == MODEL


def test_a_cached_commit_needs_no_network(checkout, hub, tmp_path):
    cached = save_files(
        tmp_path / f"cache/models--me--bert/snapshots/{OTHER}",
        MODEL | {"pytorch_model.bin": b"pickle"},
    )
    checkout.fetch(hub="me/bert", revision=OTHER)
    assert checkout.files == MODEL
    assert not hub.requests
    assert all(path.stat().st_mode & 0o200 for path in cached.iterdir())


def test_pickles_are_refused_and_a_conversion_is_named(checkout, hub):
    message = checkout.refuse(hub="me/pickled", revision=COMMIT)
    assert message.startswith("me/pickled@aaaaaaa has no *.safetensors, and pickled weights are")
    assert "never loaded; refs/pr/11 has some" in message
    assert message.endswith(f"set revision to its commit {CONVERTED}")
    assert not downloads(hub)


def test_pickles_without_a_conversion_are_refused(checkout, hub):
    hub.pulls["me/pickled"] = {}
    del hub.repositories["me/pickled"][CONVERTED]
    message = checkout.refuse(hub="me/pickled", revision=COMMIT)
    assert "look for a commit or pull request (refs/pr/N)" in message
    assert not downloads(hub)


@pytest.mark.parametrize(("repository", "commit"), [("me/nothing", COMMIT), ("me/bert", OTHER)])
def test_an_absent_repository_or_commit_is_one_line(checkout, hub, repository, commit):
    message = checkout.refuse(hub=repository, revision=commit)
    assert f"the Hub has no {repository} at {commit}" in message


def test_the_hub_offline_is_one_line_with_advice(checkout, monkeypatch, tmp_path, no_sleep):
    with running(Hub({}), monkeypatch, tmp_path / "cache"):
        pass
    message = checkout.refuse(hub="me/bert", revision=COMMIT)
    assert message.endswith(
        "check the network and run again, or name a folder that holds it (or a demo) in "
        "params.yaml: checkpoints.x.folder"
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    message = checkout.refuse(hub="me/bert", revision=COMMIT)
    assert "me/bert@aaaaaaa is not in the Hub's local cache and cannot be had" in message


def test_truncated_weights_are_refused(checkout, hub):
    hub.repositories["me/bert"][COMMIT] = MODEL | {"model.safetensors": WEIGHTS[:-10]}
    message = checkout.refuse(hub="me/bert", revision=COMMIT)
    assert "model.safetensors: not whole safetensors" in message


def test_missing_room_is_an_error_before_the_download(checkout, hub, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 1000))
    message = checkout.refuse(hub="me/bert", revision=COMMIT)
    assert "me/bert: the download needs 0.2 MB on the disk" in message
    assert not downloads(hub)
