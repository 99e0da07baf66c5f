"""Downloads against a server that breaks off, lies and changes its mind."""

import errno
import hashlib
import json
import os
import random
import shutil
from collections import namedtuple
from pathlib import Path

import huggingface_hub.constants
import pytest
from support.file_server import (
    breaking_after,
    chunked,
    claiming,
    closed_port,
    ignoring_ranges,
    resetting,
    serving,
    status,
    well,
)

from merflow.corpora import download, resume
from merflow.corpora.corpus import Source
from merflow.corpora.download import Digest, read_digests, retrieve, write_digests
from merflow.corpora.resume import Unavailable
from merflow.errors import DownloadError

BODY = random.Random(1).randbytes(3_000_000)
SHA = hashlib.sha256(BODY).hexdigest()
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(resume, "PAUSE_S", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def site():
    with serving({"a.bin": BODY}) as running:
        yield running


def get(site, folder: Path, known=None, **facts) -> Path:
    return retrieve(Source(f"{site.url}/a.bin", **facts), folder, {} if known is None else known)


def one_line(error) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_comes_once_and_its_digest_is_recorded(site, tmp_path):
    known = {}
    path = get(site, tmp_path, known)
    assert path == tmp_path / "a.bin" and path.read_bytes() == BODY
    assert known == {f"{site.url}/a.bin": Digest(3_000_000, SHA)}
    get(site, tmp_path, known)
    get(site, tmp_path, size=3_000_000, sha256=SHA)
    assert len(site.asked) == 1 and names(tmp_path) == ["a.bin"]


def test_a_broken_connection_is_resumed_where_it_stopped(site, tmp_path):
    site.script = [breaking_after(1_000_000), breaking_after(500_000)]
    assert get(site, tmp_path, sha256=SHA).read_bytes() == BODY
    assert [asked.get("Range") for asked in site.asked] == [
        None,
        "bytes=1000000-",
        "bytes=1500000-",
    ]
    assert site.asked[1]["If-Range"] == f'"{SHA[:8]}"'
    assert site.sent == 3_000_000 and names(tmp_path) == ["a.bin"]


def test_a_later_run_resumes_what_an_earlier_one_left(site, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "TRIES", 1)
    site.script = [breaking_after(2_900_000)]
    with pytest.raises(
        DownloadError,
        match=r"a\.bin: 127\.0\.0\.1 breaks off .* 2\.9 MB are kept, check the network",
    ) as error:
        get(site, tmp_path)
    assert not isinstance(error.value, Unavailable)
    assert names(tmp_path) == ["a.bin.part", "a.bin.part.json"]
    assert get(site, tmp_path).read_bytes() == BODY
    assert site.sent == 3_000_000


def test_a_part_that_is_whole_already_needs_no_server(site, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(BODY)
    (tmp_path / "a.bin.part.json").write_text(
        json.dumps({"url": f"{site.url}/a.bin", "validator": None, "total": len(BODY)})
    )
    assert get(site, tmp_path, sha256=SHA).read_bytes() == BODY
    assert site.asked == []


@pytest.mark.parametrize(
    "state",
    ["", "{", "[]", '{"url": "http://elsewhere/a.bin", "validator": null, "total": 3000000}'],
)
def test_a_part_of_unknown_origin_is_brought_anew(site, tmp_path, state):
    (tmp_path / "a.bin.part").write_bytes(b"x" * 1000)
    (tmp_path / "a.bin.part.json").write_text(state)
    assert get(site, tmp_path).read_bytes() == BODY
    assert "Range" not in site.asked[0]


def test_a_server_without_ranges_starts_anew(site, tmp_path):
    site.script = [breaking_after(1_000_000), ignoring_ranges]
    assert get(site, tmp_path).read_bytes() == BODY


def test_a_file_that_changed_between_two_tries_is_not_patched_together(site, tmp_path):
    other = BODY[::-1]

    def change(handler, body):
        site.files["a.bin"] = other
        well(handler, other)

    site.script = [breaking_after(1_000_000), change]
    assert get(site, tmp_path).read_bytes() == other


def test_416_ends_a_download_whose_part_is_whole(site, tmp_path):
    site.script = [chunked(ended=False)]
    assert get(site, tmp_path).read_bytes() == BODY
    assert site.asked[1]["Range"] == "bytes=3000000-" and len(site.asked) == 2


def test_416_for_a_part_that_is_longer_than_the_file_starts_anew(site, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(BODY + b"more")
    (tmp_path / "a.bin.part.json").write_text(
        json.dumps({"url": f"{site.url}/a.bin", "validator": None, "total": None})
    )
    assert get(site, tmp_path).read_bytes() == BODY
    assert [asked.get("Range") for asked in site.asked] == ["bytes=3000004-", None]


def test_206_of_another_place_is_not_appended(site, tmp_path):
    def wrong_place(handler, body):
        handler.head(206, Content_Length=10, Content_Range=f"bytes 0-9/{len(body)}")
        handler.body(body[:10])

    site.script = [breaking_after(1_000_000), wrong_place]
    assert get(site, tmp_path).read_bytes() == BODY


def test_a_length_that_is_never_delivered_ends_after_bounded_tries(site, tmp_path):
    site.script = [claiming(4_000_000)] * 100
    with pytest.raises(DownloadError, match="without progress"):
        get(site, tmp_path)
    assert len(site.asked) == resume.TRIES


def test_a_promised_length_shorter_than_the_body_is_met_by_the_published_size(site, tmp_path):
    site.script = [claiming(2_000_000)]
    with pytest.raises(DownloadError, match="2000000 bytes, expected are 3000000"):
        get(site, tmp_path, size=3_000_000)
    assert names(tmp_path) == []


def test_another_length_than_published_is_refused_before_the_body(site, tmp_path):
    with pytest.raises(
        DownloadError, match=r"a\.bin from 127\.0\.0\.1: 3000000 bytes, expected are 10;"
    ) as error:
        get(site, tmp_path, size=10)
    assert one_line(error) and names(tmp_path) == []


def test_a_body_of_unsaid_length_is_cut_off_at_the_published_size(site, tmp_path):
    site.script = [chunked()]
    with pytest.raises(DownloadError, match="more than 1000000 bytes, expected are 1000000"):
        get(site, tmp_path, size=1_000_000)
    site.script = [chunked()]
    with pytest.raises(DownloadError, match="3000000 bytes, expected are 3000001"):
        get(site, tmp_path, size=3_000_001)
    assert names(tmp_path) == []


def test_an_empty_file_is_refused(site, tmp_path):
    site.files["a.bin"] = b""
    with pytest.raises(DownloadError, match="0 bytes, it must not be empty"):
        get(site, tmp_path)
    assert names(tmp_path) == []


def test_passing_errors_are_tried_again_and_lasting_ones_are_not(site, tmp_path):
    site.script = [status(503), resetting, status(429)]
    assert get(site, tmp_path / "1").read_bytes() == BODY
    assert len(site.asked) == 4
    site.script = [status(403)]
    with pytest.raises(
        Unavailable,
        match=r"answers 403 Forbidden for .*a\.bin; check the network and run again, or name a folder that holds it",
    ):
        get(site, tmp_path / "2")
    assert len(site.asked) == 5


def test_a_missing_file_is_one_line(site, tmp_path):
    with pytest.raises(Unavailable, match="answers 404 Not Found") as error:
        retrieve(Source(f"{site.url}/b.tar.gz"), tmp_path, {})
    assert one_line(error).startswith("b.tar.gz: 127.0.0.1 answers")


def test_a_web_page_is_not_taken_for_the_file(site, tmp_path):
    site.script = [
        lambda handler, body: (
            handler.head(200, Content_Type="text/html; charset=utf-8", Content_Length=4),
            handler.body(b"<!--"),
        )
    ]
    with pytest.raises(Unavailable, match="sends a web page instead of the file"):
        get(site, tmp_path)
    assert names(tmp_path) == []


def test_a_body_marked_as_gzip_is_kept_as_it_is(site, tmp_path):
    # Apache marks .tar.gz files so; the published digest is that of the file
    site.script = [
        lambda handler, body: (
            handler.head(200, Content_Encoding="x-gzip", Content_Length=len(body)),
            handler.body(body),
        )
    ]
    assert get(site, tmp_path).read_bytes() == BODY
    assert site.asked[0]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("host", ["127.0.0.1:{}", "nobody.invalid"])
def test_offline_is_one_line_at_once(tmp_path, host):
    url = f"http://user:secret@{host.format(closed_port())}/MELD.Raw.tar.gz"
    with pytest.raises(Unavailable) as error:
        retrieve(Source(url), tmp_path, {})
    line = one_line(error)
    assert (
        line.startswith(f"MELD.Raw.tar.gz: {host.split(':')[0]} cannot be reached (")
        and "secret" not in line
    )
    assert (
        "check the network and run again, or name a folder that holds it (or a demo) in params.yaml"
        in line
    )


def test_a_wrong_digest_deletes_the_file_and_names_both(site, tmp_path):
    with pytest.raises(DownloadError, match="the corpus module publishes") as error:
        get(site, tmp_path, sha256="0" * 64)
    assert "0" * 64 in one_line(error) and SHA in one_line(error)
    assert names(tmp_path) == []


def test_a_recorded_digest_holds_later_downloads(site, tmp_path):
    known = {}
    get(site, tmp_path / "first", known)
    site.files["a.bin"] = BODY[:-1] + b"!"
    with pytest.raises(DownloadError, match="data/digests records"):
        get(site, tmp_path / "second", known)
    site.files["a.bin"] = BODY[:-1]
    with pytest.raises(DownloadError, match="2999999 bytes, expected are 3000000"):
        get(site, tmp_path / "second", known)
    assert names(tmp_path / "second") == []


def test_a_damaged_copy_in_place_is_brought_anew(site, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"damaged")
    assert get(site, tmp_path, sha256=SHA).read_bytes() == BODY


def test_no_room_is_said_before_the_download(site, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 1_000_000))
    with pytest.raises(
        DownloadError, match=r"a\.bin: the download needs 3 MB on the disk and 1 MB are free"
    ) as error:
        get(site, tmp_path)
    assert not isinstance(error.value, Unavailable) and len(site.asked) == 1


def test_a_disk_that_fills_up_is_one_line_and_keeps_the_part(site, tmp_path, monkeypatch):
    timed = resume._timed

    def full(chunks, *facts):
        for number, chunk in enumerate(timed(chunks, *facts)):
            if number == 4:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            yield chunk

    monkeypatch.setattr(resume, "_timed", full)
    with pytest.raises(
        DownloadError, match=r"^a\.bin: no space left on the disk; free some and run again$"
    ):
        get(site, tmp_path)
    monkeypatch.setattr(resume, "_timed", timed)
    assert get(site, tmp_path).read_bytes() == BODY
    assert int(site.asked[-1]["Range"][6:-1]) == 4 * resume.CHUNK


def test_progress_says_megabytes_and_speed(caplog):
    chunks = [bytes(6_000_000)] * 4
    with caplog.at_level("INFO", logger="merflow"):
        assert list(resume._timed(chunks, "a.bin", 20_000_000, 44_000_000, every_s=0.0)) == chunks
    assert caplog.messages[0].startswith("a.bin: 26 of 44 MB (") and caplog.messages[0].endswith(
        " MB/s)"
    )


def test_a_file_url_is_copied_not_linked(tmp_path):
    origin = tmp_path / "my data" / "a.bin"
    origin.parent.mkdir()
    origin.write_bytes(b"one")
    source, folder = Source(origin.as_uri()), tmp_path / "downloads"
    path = retrieve(source, folder, {})
    assert (
        path.read_bytes() == b"one"
        and not path.is_symlink()
        and path.stat().st_ino != origin.stat().st_ino
    )
    origin.write_bytes(b"two")
    assert retrieve(source, folder, {}).read_bytes() == b"two"
    with pytest.raises(DownloadError, match=r"a\.bin: no such file"):
        origin.unlink()
        retrieve(source, folder, {})


def test_the_hub_offline_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    url = f"hf://datasets/declare-lab/MELD@{'9abc51e0' * 5}/data/MELD.Raw.tar.gz"
    with pytest.raises(
        Unavailable, match="data set declare-lab/MELD of the Hugging Face Hub cannot be had"
    ) as error:
        retrieve(Source(url), tmp_path, {})
    assert "check the network and run again" in one_line(error)
    assert "MELD.Raw.tar.gz" not in names(tmp_path)


def test_a_hub_file_comes_by_commit_and_is_verified(tmp_path, monkeypatch):
    asked = []

    def hub(repository, file, *, repo_type, revision, local_dir):
        asked.append((repository, file, repo_type, revision))
        target = Path(local_dir, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(BODY)
        return str(target)

    monkeypatch.setattr(download, "hf_hub_download", hub)
    commit = "9abc51e0" * 5
    known = {}
    path = retrieve(Source(f"hf://datasets/declare-lab/MELD@{commit}/data/a.bin"), tmp_path, known)
    assert path == tmp_path / "a.bin" and path.read_bytes() == BODY
    assert asked == [("declare-lab/MELD", "data/a.bin", "dataset", commit)]
    assert known == {f"hf://datasets/declare-lab/MELD@{commit}/data/a.bin": Digest(3_000_000, SHA)}
    with pytest.raises(DownloadError, match="expected sha256:0000"):
        retrieve(
            Source(f"hf://datasets/declare-lab/MELD@{commit}/data/b.bin", sha256="0" * 64),
            tmp_path,
            known,
        )


@pytest.mark.parametrize(
    "url",
    [
        "hf://datasets/declare-lab/MELD@main/a.bin",
        "hf://declare-lab/MELD/a.bin",
        "ftp://host/a.bin",
        "a.bin",
    ],
)
def test_other_urls_are_refused(tmp_path, url):
    with pytest.raises(DownloadError, match="must b"):
        retrieve(Source(url), tmp_path, {})


def test_digests_survive_the_round_trip_and_are_checked(tmp_path):
    path = tmp_path / "digests" / "meld.csv"
    assert read_digests(path) == {}
    digests = {"https://b/x?a=1,2": Digest(5, SHA), "http://a/y": Digest(0, "0" * 64)}
    write_digests(path, digests)
    assert (
        path.read_text()
        == f'url,size,sha256\nhttp://a/y,0,{"0" * 64}\n"https://b/x?a=1,2",5,{SHA}\n'
    )
    assert read_digests(path) == digests
    path.write_text(path.read_text() + "http://c/z,12,abc\n")
    with pytest.raises(DownloadError, match=r"meld\.csv: line 4 is not url,size,sha256"):
        read_digests(path)
