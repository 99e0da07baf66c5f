"""The step fetch: from a server, a folder or a demo."""

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
from support.archives import NOISE, tar, tree, zipped
from support.file_server import breaking_after, closed_port, killing, serving, status, well

from merflow import corpora
from merflow.corpora import disk, resume
from merflow.corpora.corpus import Source
from merflow.corpora.fetch import fetch
from merflow.errors import DownloadError

CSV = b"Sr No.,Utterance\n1,Hi.\n"
INNER = tar([("dev_splits_complete/dia0_utt0.mp4", NOISE)])
CLIPS = tar([("MELD.Raw/dev.tar.gz", INNER), ("MELD.Raw/README.txt", b"read me")])
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
    """Folders of a checkout, and the step with them."""

    def __init__(self, root: Path):
        self.root = root
        self.out = root / "data/raw/meld"
        self.scratch = root / "build/fetch/meld"
        self.digests = root / "data/digests"

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
        return without_record(self.out)


def without_record(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in tree(folder).items() if name != "SOURCE.json"}


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path / "checkout")
    place.out.parent.mkdir(parents=True)
    yield place
    leftovers = [path for path in place.out.parent.iterdir() if path != place.out]
    assert not leftovers


@pytest.fixture
def site():
    with serving({"MELD.Raw.tar.gz": CLIPS, "dev_sent_emo.csv": CSV}) as running:
        yield running


@pytest.fixture
def official(monkeypatch, site):
    """merflow.corpora.load("meld") offers what the server holds."""
    annotations = Source(f"{site.url}/dev_sent_emo.csv")
    archive = Source(f"{site.url}/MELD.Raw.tar.gz", unpack=True)
    module = SimpleNamespace(SOURCES=(annotations, archive), HOW_TO_GET="")
    monkeypatch.setattr(corpora, "load", {"meld": module}.__getitem__)
    return module


@pytest.fixture
def demo(monkeypatch):
    """A demo that packs the same corpus below the scratch folder."""

    def make(corpus: str, scratch: Path) -> tuple[Source, ...]:
        scratch.mkdir(parents=True, exist_ok=True)
        (scratch / "MELD.Raw.tar.gz").write_bytes(CLIPS)
        (scratch / "dev_sent_emo.csv").write_bytes(CSV)
        paths = [scratch.absolute() / name for name in ("dev_sent_emo.csv", "MELD.Raw.tar.gz")]
        return tuple(Source(path.as_uri(), unpack=path.suffix == ".gz") for path in paths)

    monkeypatch.setitem(sys.modules, "merflow.corpora.demo", SimpleNamespace(make=make))
    monkeypatch.setattr(corpora, "demo", SimpleNamespace(make=make), raising=False)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_official_downloads_unpacks_and_records(place, site, official):
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
    lines = [f"{file['url']},{file['size']},{file['sha256']}\n" for file in record["files"]]
    assert (place.digests / "meld.csv").read_text() == "url,size,sha256\n" + "".join(lines)
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
    expected = "dev_sent_emo.csv from 127.0.0.1 is not the file that data/digests records"
    assert expected in place.refused("official")
    assert (place.digests / "meld.csv").read_bytes() == recorded and place.files == FILES


def test_finished_downloads_survive_a_failure(place, site, official):
    site.script = [well, status(403)]
    assert "MELD.Raw.tar.gz: 127.0.0.1 answers 403 Forbidden" in place.refused("official")
    assert not place.out.exists() and not place.digests.exists()
    place.fetch("official")
    assert len(site.requests) == 3 and place.files == FILES


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
    command = [sys.executable, "-c", KILLED, f"{site.url}/MELD.Raw.tar.gz", str(place.root)]
    child.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
    assert child[0].wait(timeout=60) == -9
    assert not place.out.exists()
    place.fetch("official")
    ranges = [headers.get("Range") for headers in site.requests]
    assert ranges == [None, "bytes=524288-"]
    assert place.files == {"clip.mp4": NOISE * 20}


def test_a_truncated_archive_is_refused_and_downloaded_again(place, site, official):
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
    site.files["one.zip"] = zipped([("Actor_01/03.wav", b"3")])
    site.files["two.zip"] = zipped([("Actor_01/01.mp4", b"1")])
    official.SOURCES = (
        Source(f"{site.url}/one.zip", unpack=True),
        Source(f"{site.url}/two.zip?download=1", unpack=True),
    )
    place.fetch("official")
    assert place.files == {"Actor_01/03.wav": b"3", "Actor_01/01.mp4": b"1"}
    site.files["two.zip"] = zipped([("Actor_01/03.wav", b"other")])
    (place.digests / "meld.csv").unlink()
    expected = "two.zip: another file of the corpus is Actor_01/03.wav already"
    assert place.refused("official") == expected


def test_a_file_that_not_all_systems_need_may_be_absent(place, site, official, caplog):
    url = f"http://127.0.0.1:{closed_port()}/MELD.Raw.tar.gz"
    official.SOURCES = (official.SOURCES[0], Source(url, unpack=True, needed=False))
    with caplog.at_level("WARNING", logger="merflow"):
        assert place.fetch("official")["absent"] == ["MELD.Raw.tar.gz"]
    assert place.files == {"dev_sent_emo.csv": CSV}
    assert "going on without it" in caplog.text


def test_a_file_that_breaks_off_is_not_absent(place, site, official):
    archive = Source(f"{site.url}/MELD.Raw.tar.gz", unpack=True, needed=False)
    official.SOURCES = (official.SOURCES[0], archive)
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
    url = f"hf://datasets/declare-lab/MELD@{'9abc51e0' * 5}/MELD.Raw.tar.gz"
    official.SOURCES = (Source(url, unpack=True),)
    expected = "data set declare-lab/MELD of the Hugging Face Hub cannot be had"
    assert expected in place.refused("official")
    assert not place.out.exists()


def test_without_an_open_download_it_says_how_to_get_the_corpus(place, official):
    official.SOURCES, official.HOW_TO_GET = (), "Fill in the form at https://sail.usc.edu/iemocap."
    assert place.refused("official") == (
        f"meld has no open download. {official.HOW_TO_GET} "
        "The setting is `corpora.meld.source: <folder>`"
    )


def test_demo_names_no_place_and_is_the_same_twice(place, tmp_path, demo):
    record = place.fetch("demo")
    assert place.files == FILES and record["kind"] == "demo"
    assert [file["url"] for file in record["files"]] == ["MELD.Raw.tar.gz", "dev_sent_emo.csv"]
    assert not place.digests.exists() and not place.scratch.exists()
    other = Place(tmp_path / "another" / "checkout")
    other.fetch("demo")
    assert tree(other.out) == tree(place.out)


@pytest.mark.usefixtures("official", "demo")
def test_a_download_never_stands_for_another_source(place, site, monkeypatch):
    site.files["MELD.Raw.tar.gz"] = tar([("MELD.Raw/README.txt", b"the real one")])

    def stop(*_):
        raise DownloadError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr("merflow.corpora.fetch.unpack", stop)
        assert place.refused("demo") == "stopped"
    assert len(list((place.scratch / "downloads").rglob("MELD.Raw.tar.gz"))) == 1
    place.fetch("official")
    assert place.files["MELD.Raw/README.txt"] == b"the real one"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "meld"
    (folder / "clips").mkdir(parents=True)
    (folder / "dev_sent_emo.csv").write_bytes(CSV)
    (folder / "clips" / "dia0_utt0.mp4").write_bytes(NOISE)
    return folder


def test_a_folder_is_copied_and_left_alone(place, folder):
    (folder / "link.csv").symlink_to("dev_sent_emo.csv")
    before = {path: path.stat().st_mode for path in folder.rglob("*")}
    record = place.fetch(str(folder))
    assert place.files == {"dev_sent_emo.csv": CSV, "link.csv": CSV, "clips/dia0_utt0.mp4": NOISE}
    assert record["kind"] == "folder" and str(folder) not in json.dumps(record)
    clip = {"url": "clips/dia0_utt0.mp4", "size": 50_000, "sha256": sha256(NOISE)}
    assert record["files"][0] == clip
    assert {path: path.stat().st_mode for path in folder.rglob("*")} == before
    inodes = {path.stat().st_ino for path in folder.rglob("*") if path.is_file()}
    assert not inodes & {path.stat().st_ino for path in place.out.rglob("*")}


def test_unchanged_files_are_taken_over_from_the_earlier_copy(place, folder):
    place.fetch(str(folder))
    before = {path.name: path.stat().st_ino for path in place.out.rglob("*") if path.is_file()}
    (folder / "dev_sent_emo.csv").write_bytes(CSV[::-1])  # as long
    (folder / "clips" / "dia0_utt1.mp4").write_bytes(NOISE)
    record = place.fetch(str(folder))
    assert place.files == {
        "dev_sent_emo.csv": CSV[::-1],
        "clips/dia0_utt0.mp4": NOISE,
        "clips/dia0_utt1.mp4": NOISE,
    }
    assert {file["sha256"] for file in record["files"]} == {sha256(CSV[::-1]), sha256(NOISE)}
    assert (place.out / "clips/dia0_utt0.mp4").stat().st_ino == before["dia0_utt0.mp4"]
    (folder / "dev_sent_emo.csv").unlink()
    place.fetch(str(folder))
    assert set(place.files) == {"clips/dia0_utt0.mp4", "clips/dia0_utt1.mp4"}


def test_an_altered_copy_is_not_taken_over(place, folder):
    place.fetch(str(folder))
    altered = place.out / "clips/dia0_utt0.mp4"
    altered.chmod(0o644)
    altered.write_bytes(NOISE[::-1])
    place.fetch(str(folder))
    assert place.files["clips/dia0_utt0.mp4"] == NOISE


@pytest.mark.parametrize("exists", [True, False])
def test_a_corpus_of_text_alone_needs_no_clips(tmp_path, exists, caplog):
    texts, raw = tmp_path / "texts", tmp_path / "raw/mine"
    if exists:
        (texts / "sub").mkdir(parents=True)
    for _ in range(2):
        fetch("mine", str(texts), raw, tmp_path / "scratch", tmp_path / "digests")
    assert [path.name for path in raw.iterdir()] == ["SOURCE.json"]
    assert f"mine: no clips in {texts}; systems can use its text alone" in caplog.text
    # clips that were copied before may be on a disk that is not connected
    (raw / "a.wav").write_bytes(NOISE)
    with pytest.raises(DownloadError, match="holds clips copied from it"):
        fetch("mine", str(texts), raw, tmp_path / "scratch", tmp_path / "digests")
    assert (raw / "a.wav").read_bytes() == NOISE


def test_a_copy_shares_blocks_where_the_file_system_can(tmp_path, monkeypatch):
    requests = []
    (tmp_path / "a").write_bytes(NOISE)
    monkeypatch.setattr(fcntl, "ioctl", lambda target, request, source: requests.append(request))
    disk.copy(tmp_path / "a", tmp_path / "b")
    assert requests == [0x40049409]
    assert (tmp_path / "b").read_bytes() == b""  # the file system would have filled it
    monkeypatch.undo()
    disk.copy(tmp_path / "a", tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == NOISE
    with pytest.raises(FileExistsError):
        disk.copy(tmp_path / "a", tmp_path / "c")


def test_folders_that_cannot_be_used_are_one_line(place, folder, tmp_path):
    assert place.refused(str(tmp_path / "nowhere")).endswith(
        "nowhere: no such folder; correct corpora.meld.source in params.yaml "
        "(demo, official or a folder that holds the corpus)"
    )
    assert "is or holds" in place.refused(str(place.root))
    (tmp_path / "empty").mkdir()
    assert "is empty" in place.refused(str(tmp_path / "empty"))


def test_what_cannot_be_copied_is_left_out_and_said(place, folder, caplog, monkeypatch):
    clips = folder / "clips"
    (clips / "again").symlink_to(folder)
    (clips / "gone.mp4").symlink_to("nowhere.mp4")
    (clips / "annexed.mp4").symlink_to("../.git/annex/objects/0.mp4")
    (clips / os.fsdecode(b"gl\xfcck.mp4")).write_bytes(b"x")
    (clips / "[odd] {name}.mp4").write_bytes(b"x")
    place.fetch(str(folder))
    record = json.loads((place.out / "SOURCE.json").read_text())
    names = ["again", "annexed.mp4", r"gl\xfcck.mp4", "gone.mp4"]
    assert sorted(record["absent"]) == [f"clips/{name}" for name in names]
    assert (place.out / "clips/[odd] {name}.mp4").exists()
    assert not any((place.out / "clips").glob("g*"))
    reasons = ("a link to a folder above itself", "run `git annex get`", "not UTF-8; rename it")
    messages = caplog.messages
    assert len(messages) == 4
    for reason in (*reasons, "neither a file nor a folder (a broken link?)"):
        assert sum(reason in message for message in messages) == 1


def test_a_demo_is_not_taken_for_a_folder_of_the_corpus(place, demo, tmp_path):
    place.fetch("demo")
    expected = "this is a demo; set corpora.meld.source to demo, so that no table shows it as meld"
    assert expected in Place(tmp_path / "other").refused(str(place.out))


def test_no_room_is_said_before_a_folder_is_copied(place, folder, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 1000))
    assert place.refused(str(folder)) == (
        f"{folder}: the copy needs 0.05 MB on the disk and 0.001 MB are free; "
        "free some and run again"
    )


def test_a_disk_that_fills_up_leaves_out_untouched(place, folder, official, monkeypatch):
    place.fetch("official")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk, "copy", full)
    clip = f"{folder}/clips/dia0_utt0.mp4"
    expected = f"{clip}: no space left on the disk; free some and run again"
    assert place.refused(str(folder)) == expected
    assert place.files == FILES


def test_killed_between_the_two_renames_nothing_is_lost(place, official, folder):
    place.fetch("official")
    place.out.rename(place.out.with_name(".meld.old"))
    with pytest.raises(DownloadError, match="no such folder"):
        place.fetch("/nowhere")
    assert place.files == FILES


@pytest.mark.usefixtures("official", "demo")
def test_paths_may_be_relative_as_the_workflow_gives_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raw = Path("data/raw/meld")
    for source in ("official", "demo"):
        fetch("meld", source, raw, Path("build/fetch/meld"), Path("data/digests"))
        assert without_record(raw) == FILES
    assert sorted(path.name for path in Path().iterdir()) == ["build", "data"]
