"""The step fetch: from a server, from a folder, from the demo; whole and read-only, or as it was before."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.constants
import pytest
from support.file_server import breaking_after, closed_port, killing, serving, status, well
from test_unpack import NOISE, tar, tree, zipped

from merflow import corpora
from merflow.corpora import disk, resume
from merflow.corpora.corpus import Source
from merflow.corpora.fetch import fetch
from merflow.errors import DownloadError

CSV = b"Sr No.,Utterance\n1,Hi.\n"
CLIPS = tar(
    [
        ("MELD.Raw/dev.tar.gz", tar([("dev_splits_complete/dia0_utt0.mp4", NOISE)])),
        ("MELD.Raw/README.txt", b"read me"),
    ]
)
FILES = {
    "MELD.Raw/dev_splits_complete/dia0_utt0.mp4": NOISE,
    "MELD.Raw/README.txt": b"read me",
    "dev_sent_emo.csv": CSV,
}
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(resume, "PAUSE_S", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class Place:
    """A checkout's folders and the step with them."""

    def __init__(self, root: Path):
        self.root, self.out, self.scratch, self.digests = (
            root,
            root / "data/raw/meld",
            root / "build/fetch/meld",
            root / "data/digests",
        )

    def fetch(self, source: str) -> dict:
        fetch("meld", source, self.out, self.scratch, self.digests)
        return json.loads((self.out / "SOURCE.json").read_text())

    def refused(self, source: str) -> str:
        before = tree(self.root / "data") if self.out.parent.exists() else {}
        with pytest.raises(DownloadError) as error:
            self.fetch(source)
        assert tree(self.root / "data") == before
        assert "\n" not in str(error.value)
        return str(error.value)

    @property
    def files(self) -> dict[str, bytes]:
        return {name: content for name, content in tree(self.out).items() if name != "SOURCE.json"}


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path / "checkout")
    made.out.parent.mkdir(parents=True)
    yield made
    assert sorted(path.name for path in made.out.parent.iterdir()) == [
        name for name in ["meld"] if made.out.exists()
    ]


@pytest.fixture
def site():
    with serving({"MELD.Raw.tar.gz": CLIPS, "dev_sent_emo.csv": CSV}) as running:
        yield running


@pytest.fixture
def official(monkeypatch, site):
    """merflow.corpora.load("meld") offers what the server holds."""
    module = SimpleNamespace(
        SOURCES=(
            Source(f"{site.url}/dev_sent_emo.csv"),
            Source(f"{site.url}/MELD.Raw.tar.gz", unpack=True),
        ),
        HOW_TO_GET="",
    )
    monkeypatch.setattr(corpora, "load", {"meld": module}.__getitem__)
    return module


@pytest.fixture
def demo(monkeypatch):
    """A demo that packs the same corpus below the scratch folder."""

    def make(corpus: str, scratch: Path) -> tuple[Source, ...]:
        scratch.mkdir(parents=True, exist_ok=True)
        (scratch / "MELD.Raw.tar.gz").write_bytes(CLIPS)
        (scratch / "dev_sent_emo.csv").write_bytes(CSV)
        names = ("dev_sent_emo.csv", "MELD.Raw.tar.gz")
        return tuple(
            Source((scratch / name).absolute().as_uri(), unpack=name.endswith("gz"))
            for name in names
        )

    monkeypatch.setitem(sys.modules, "merflow.corpora.demo", SimpleNamespace(make=make))
    monkeypatch.setattr(corpora, "demo", SimpleNamespace(make=make), raising=False)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_official_brings_unpacks_and_records(place, site, official):
    record = place.fetch("official")
    assert place.files == FILES
    assert record == {
        "corpus": "meld",
        "kind": "official",
        "absent": [],
        "files": [
            {"url": f"{site.url}/MELD.Raw.tar.gz", "size": len(CLIPS), "sha256": sha256(CLIPS)},
            {"url": f"{site.url}/dev_sent_emo.csv", "size": len(CSV), "sha256": sha256(CSV)},
        ],
    }
    assert (place.digests / "meld.csv").read_text() == "url,size,sha256\n" + "".join(
        f"{file['url']},{file['size']},{file['sha256']}\n" for file in record["files"]
    )
    assert not place.scratch.exists()


def test_files_are_read_only_and_folders_are_not(place, official):
    place.fetch("official")
    modes = {path.name: path.stat().st_mode & 0o777 for path in place.out.rglob("*")}
    assert {modes[name] for name in ("SOURCE.json", "dia0_utt0.mp4", "dev_sent_emo.csv")} == {0o444}
    assert all(path.stat().st_mode & 0o200 for path in (place.out, place.out / "MELD.Raw"))
    shutil.rmtree(place.out)


def test_a_second_fetch_replaces_the_first(place, site, official):
    place.fetch("official")
    (place.out / "old.txt").write_text("from an earlier layout")
    place.fetch("official")
    assert place.files == FILES


def test_a_changed_download_is_refused_later(place, site, official):
    place.fetch("official")
    recorded = (place.digests / "meld.csv").read_bytes()
    site.files["dev_sent_emo.csv"] = CSV.replace(b"Hi", b"Ha")
    assert (
        "dev_sent_emo.csv from 127.0.0.1 is not the file that data/digests records"
        in place.refused("official")
    )
    assert (place.digests / "meld.csv").read_bytes() == recorded and place.files == FILES


def test_finished_downloads_survive_a_failure(place, site, official):
    site.script = [well, status(403)]
    assert "MELD.Raw.tar.gz: 127.0.0.1 answers 403 Forbidden" in place.refused("official")
    assert not place.out.exists() and not place.digests.exists()
    place.fetch("official")
    assert len(site.asked) == 3 and place.files == FILES


KILLED = """
import sys
from merflow import corpora
from merflow.corpora.corpus import Source
from merflow.corpora.fetch import fetch
from pathlib import Path
from types import SimpleNamespace
url, root = sys.argv[1], Path(sys.argv[2])
corpora.load = lambda _: SimpleNamespace(SOURCES=(Source(url, unpack=True),), HOW_TO_GET="")
fetch("meld", "official", root / "data/raw/meld", root / "build/fetch/meld", root / "data/digests")
"""


def test_a_killed_fetch_goes_on_where_it_stopped(place, site, official):
    official.SOURCES = official.SOURCES[1:]
    site.files["MELD.Raw.tar.gz"] = tar([("clip.mp4", NOISE * 20)], "w:")
    child = []
    site.script = [killing(child, place.scratch)]
    child.append(
        subprocess.Popen(
            [sys.executable, "-c", KILLED, f"{site.url}/MELD.Raw.tar.gz", str(place.root)],
            stderr=subprocess.DEVNULL,
        )
    )
    assert child[0].wait(timeout=60) == -9
    assert not place.out.exists()
    place.fetch("official")
    assert [asked.get("Range") for asked in site.asked] == [None, "bytes=524288-"]
    assert place.files == {"clip.mp4": NOISE * 20}


def test_a_truncated_archive_is_refused_and_brought_anew(place, site, official):
    site.files["MELD.Raw.tar.gz"] = CLIPS[:-3000]
    assert "MELD.Raw.tar.gz: not a whole archive" in place.refused("official")
    assert not place.digests.exists()
    site.files["MELD.Raw.tar.gz"] = CLIPS
    place.fetch("official")
    assert place.files == FILES


def test_an_archive_that_leads_out_leaves_out_untouched(place, site, official):
    place.fetch("official")
    (place.digests / "meld.csv").unlink()
    site.files["MELD.Raw.tar.gz"] = tar([("../evil", b"evil")])
    assert "member '../evil' leads out of the folder" in place.refused("official")
    assert place.files == FILES


def test_two_archives_share_folders_but_no_file(place, site, official):
    site.files |= {
        "one.zip": zipped([("Actor_01/03.wav", b"3")]),
        "two.zip": zipped([("Actor_01/01.mp4", b"1")]),
    }
    official.SOURCES = (
        Source(f"{site.url}/one.zip", unpack=True),
        Source(f"{site.url}/two.zip?download=1", unpack=True),
    )
    place.fetch("official")
    assert place.files == {"Actor_01/03.wav": b"3", "Actor_01/01.mp4": b"1"}
    site.files["two.zip"] = zipped([("Actor_01/03.wav", b"other")])
    (place.digests / "meld.csv").unlink()
    assert (
        place.refused("official")
        == "two.zip: Actor_01/03.wav is there already, from another file of the corpus"
    )


def test_a_file_that_not_all_systems_need_may_be_absent(place, site, official, caplog):
    official.SOURCES = (
        official.SOURCES[0],
        Source(f"http://127.0.0.1:{closed_port()}/MELD.Raw.tar.gz", unpack=True, needed=False),
    )
    with caplog.at_level("WARNING", logger="merflow"):
        assert place.fetch("official")["absent"] == ["MELD.Raw.tar.gz"]
    assert place.files == {"dev_sent_emo.csv": CSV}
    assert "going on without it" in caplog.text


def test_a_file_that_breaks_off_is_not_absent(place, site, official):
    official.SOURCES = (
        official.SOURCES[0],
        Source(f"{site.url}/MELD.Raw.tar.gz", unpack=True, needed=False),
    )
    site.script = [breaking_after(100)] * 20
    assert "MB are kept" in place.refused("official")


def test_offline_is_one_line(place, official):
    official.SOURCES = (Source(f"http://127.0.0.1:{closed_port()}/MELD.Raw.tar.gz", unpack=True),)
    assert place.refused("official") == (
        "MELD.Raw.tar.gz: 127.0.0.1 cannot be reached (Connection refused); "
        "check the network and run again, or name a folder that holds it (or a demo) in params.yaml"
    )


def test_the_hub_offline_is_one_line(place, official, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    official.SOURCES = (
        Source(f"hf://datasets/declare-lab/MELD@{'9abc51e0' * 5}/MELD.Raw.tar.gz", unpack=True),
    )
    assert "data set declare-lab/MELD of the Hugging Face Hub cannot be had" in place.refused(
        "official"
    )
    assert not place.out.exists()


def test_without_an_open_download_it_says_how_to_get_the_corpus(place, official):
    official.SOURCES, official.HOW_TO_GET = (), "Fill in the form at https://sail.usc.edu/iemocap."
    assert place.refused("official") == (
        "meld has no open download. Fill in the form at https://sail.usc.edu/iemocap. The setting is `corpora.meld.source: <folder>`"
    )


def test_demo_names_no_place_and_is_the_same_twice(place, tmp_path, demo):
    record = place.fetch("demo")
    assert place.files == FILES and record["kind"] == "demo"
    assert [file["url"] for file in record["files"]] == ["MELD.Raw.tar.gz", "dev_sent_emo.csv"]
    assert not place.digests.exists() and not place.scratch.exists()
    other = Place(tmp_path / "another" / "checkout")
    other.fetch("demo")
    assert tree(other.out) == tree(place.out)


def test_a_download_of_one_source_never_stands_for_another(
    place, site, official, demo, monkeypatch
):
    site.files["MELD.Raw.tar.gz"] = tar([("MELD.Raw/README.txt", b"the real one")])
    with monkeypatch.context() as patch:
        patch.setattr(
            "merflow.corpora.fetch.unpack",
            lambda *_: (_ for _ in ()).throw(DownloadError("stopped")),
        )
        assert place.refused("demo") == "stopped"
    assert len(list((place.scratch / "downloads").rglob("MELD.Raw.tar.gz"))) == 1
    place.fetch("official")
    assert place.files["MELD.Raw/README.txt"] == b"the real one"


@pytest.fixture
def folder(tmp_path):
    mine = tmp_path / "mine"
    (mine / "clips").mkdir(parents=True)
    (mine / "dev_sent_emo.csv").write_bytes(CSV)
    (mine / "clips" / "dia0_utt0.mp4").write_bytes(NOISE)
    return mine


def test_a_folder_is_copied_and_left_alone(place, folder):
    (folder / "link.csv").symlink_to("dev_sent_emo.csv")
    before = {path: path.stat().st_mode for path in folder.rglob("*")}
    record = place.fetch(str(folder))
    assert place.files == {"dev_sent_emo.csv": CSV, "link.csv": CSV, "clips/dia0_utt0.mp4": NOISE}
    assert record["kind"] == "folder" and str(folder) not in json.dumps(record)
    assert record["files"][0] == {
        "url": "clips/dia0_utt0.mp4",
        "size": 50_000,
        "sha256": sha256(NOISE),
    }
    assert {path: path.stat().st_mode for path in folder.rglob("*")} == before
    inodes = {path.stat().st_ino for path in folder.rglob("*") if path.is_file()}
    assert not inodes & {path.stat().st_ino for path in place.out.rglob("*")}


def test_a_copy_shares_blocks_where_the_file_system_can(tmp_path, monkeypatch):
    asked = []
    (tmp_path / "a").write_bytes(NOISE)
    monkeypatch.setattr(fcntl, "ioctl", lambda target, request, source: asked.append(request))
    disk.copy(tmp_path / "a", tmp_path / "b")
    assert (
        asked == [0x40049409] and (tmp_path / "b").read_bytes() == b""
    )  # the file system alone would have filled it
    monkeypatch.undo()
    disk.copy(tmp_path / "a", tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == NOISE
    with pytest.raises(FileExistsError):
        disk.copy(tmp_path / "a", tmp_path / "c")


def test_folders_that_cannot_be_used_are_one_line(place, folder, tmp_path):
    assert place.refused(str(tmp_path / "nowhere")).endswith(
        "nowhere: no such folder; corpora.meld.source must be demo, official or a folder that holds the corpus"
    )
    assert "is or holds" in place.refused(str(place.root))
    (tmp_path / "empty").mkdir()
    assert "is empty" in place.refused(str(tmp_path / "empty"))
    (folder / "clips" / "again").symlink_to(folder)
    assert "clips/again: is a link to a folder above itself" in place.refused(str(folder))
    (folder / "clips" / "again").unlink()
    (folder / "clips" / "gone.mp4").symlink_to("nowhere.mp4")
    assert "gone.mp4: neither a file nor a folder (a broken link?)" in place.refused(str(folder))


def test_a_demo_is_not_taken_for_a_folder_of_the_corpus(place, demo, tmp_path):
    place.fetch("demo")
    other = Place(tmp_path / "other")
    assert "this is a demo corpus; set corpora.meld.source to demo" in other.refused(str(place.out))


def test_no_room_is_said_before_a_folder_is_copied(place, folder, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 1000))
    assert (
        place.refused(str(folder))
        == f"{folder}: the copy needs 0.05 MB on the disk and 0.001 MB are free; free some and run again"
    )


def test_a_disk_that_fills_up_leaves_out_untouched(place, folder, official, monkeypatch):
    place.fetch("official")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk, "copy", full)
    assert (
        place.refused(str(folder))
        == f"{folder}/clips/dia0_utt0.mp4: no space left on the disk; free some and run again"
    )
    assert place.files == FILES


def test_killed_between_the_two_renames_nothing_is_lost(place, official, folder):
    place.fetch("official")
    place.out.rename(place.out.with_name(".meld.old"))
    with pytest.raises(DownloadError, match="no such folder"):
        place.fetch("/nowhere")
    assert place.files == FILES


def test_paths_may_be_relative_as_the_workflow_gives_them(tmp_path, monkeypatch, official, demo):
    monkeypatch.chdir(tmp_path)
    for source in ("official", "demo"):
        fetch("meld", source, Path("data/raw/meld"), Path("build/fetch/meld"), Path("data/digests"))
        assert {
            name: content
            for name, content in tree(Path("data/raw/meld")).items()
            if name != "SOURCE.json"
        } == FILES
    assert sorted(path.name for path in Path().iterdir()) == ["build", "data"]
