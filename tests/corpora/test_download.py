"""Downloads from a server that breaks off, lies and changes its mind."""

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


def get(site, folder: Path, recorded=None, **facts) -> Path:
    source = Source(f"{site.url}/a.bin", **facts)
    return retrieve(source, folder, {} if recorded is None else recorded)


def write_partial(site, folder: Path, body: bytes, total: int | None) -> None:
    """Leave what a killed run leaves."""
    state = {"url": f"{site.url}/a.bin", "validator": None, "total": total}
    (folder / "a.bin.part").write_bytes(body)
    (folder / "a.bin.part.json").write_text(json.dumps(state))


def one_line(error) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_is_retrieved_once_and_its_digest_recorded(site, tmp_path):
    recorded = {}
    path = get(site, tmp_path, recorded)
    assert path == tmp_path / "a.bin" and path.read_bytes() == BODY
    assert recorded == {f"{site.url}/a.bin": Digest(3_000_000, SHA)}
    get(site, tmp_path, recorded)
    get(site, tmp_path, size=3_000_000, sha256=SHA)
    assert len(site.requests) == 1 and names(tmp_path) == ["a.bin"]


def test_a_broken_connection_is_resumed_where_it_stopped(site, tmp_path):
    site.script = [breaking_after(1_000_000), breaking_after(500_000)]
    assert get(site, tmp_path, sha256=SHA).read_bytes() == BODY
    ranges = [headers.get("Range") for headers in site.requests]
    assert ranges == [None, "bytes=1000000-", "bytes=1500000-"]
    assert site.requests[1]["If-Range"] == f'"{SHA[:8]}"'
    assert site.sent == 3_000_000 and names(tmp_path) == ["a.bin"]


def test_a_later_run_resumes_what_an_earlier_one_left(site, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "TRIES", 1)
    site.script = [breaking_after(2_900_000)]
    message = r"a\.bin: 127\.0\.0\.1 breaks off .* 2\.9 MB are kept, check the network"
    with pytest.raises(DownloadError, match=message) as error:
        get(site, tmp_path)
    assert not isinstance(error.value, Unavailable)
    assert names(tmp_path) == ["a.bin.part", "a.bin.part.json"]
    assert get(site, tmp_path).read_bytes() == BODY
    assert site.sent == 3_000_000


def test_a_partial_file_that_is_whole_needs_no_server(site, tmp_path):
    write_partial(site, tmp_path, BODY, len(BODY))
    assert get(site, tmp_path, sha256=SHA).read_bytes() == BODY
    assert site.requests == []


@pytest.mark.parametrize(
    "state",
    ["", "{", "[]", '{"url": "http://elsewhere/a.bin", "validator": null, "total": 3000000}'],
)
def test_a_partial_file_of_unknown_origin_starts_anew(site, tmp_path, state):
    (tmp_path / "a.bin.part").write_bytes(b"x" * 1000)
    (tmp_path / "a.bin.part.json").write_text(state)
    assert get(site, tmp_path).read_bytes() == BODY
    assert "Range" not in site.requests[0]


def test_a_server_without_ranges_starts_anew(site, tmp_path):
    site.script = [breaking_after(1_000_000), ignoring_ranges]
    assert get(site, tmp_path).read_bytes() == BODY


def test_two_versions_of_a_file_are_not_patched_together(site, tmp_path):
    other = BODY[::-1]

    def change(handler, body):
        site.files["a.bin"] = other
        well(handler, other)

    site.script = [breaking_after(1_000_000), change]
    assert get(site, tmp_path).read_bytes() == other


def test_416_ends_a_download_that_is_whole(site, tmp_path):
    site.script = [chunked(ended=False)]
    assert get(site, tmp_path).read_bytes() == BODY
    assert site.requests[1]["Range"] == "bytes=3000000-" and len(site.requests) == 2


def test_416_for_a_partial_file_that_is_too_long_starts_anew(site, tmp_path):
    write_partial(site, tmp_path, BODY + b"more", None)
    assert get(site, tmp_path).read_bytes() == BODY
    assert [headers.get("Range") for headers in site.requests] == ["bytes=3000004-", None]


def test_206_of_another_place_is_not_appended(site, tmp_path):
    def wrong_place(handler, body):
        handler.head(206, Content_Length=10, Content_Range=f"bytes 0-9/{len(body)}")
        handler.body(body[:10])

    site.script = [breaking_after(1_000_000), wrong_place]
    assert get(site, tmp_path).read_bytes() == BODY


def test_a_length_that_never_comes_ends_after_bounded_tries(site, tmp_path):
    site.script = [claiming(4_000_000)] * 100
    with pytest.raises(DownloadError, match="without progress"):
        get(site, tmp_path)
    assert len(site.requests) == resume.TRIES


def test_a_promised_length_below_the_published_is_refused(site, tmp_path):
    site.script = [claiming(2_000_000)]
    with pytest.raises(DownloadError, match="2000000 bytes, expected are 3000000"):
        get(site, tmp_path, size=3_000_000)
    assert names(tmp_path) == []


def test_another_length_is_refused_before_the_body(site, tmp_path):
    message = r"a\.bin from 127\.0\.0\.1: 3000000 bytes, expected are 10;"
    with pytest.raises(DownloadError, match=message) as error:
        get(site, tmp_path, size=10)
    assert one_line(error) and names(tmp_path) == []


def test_a_body_of_unknown_length_ends_at_the_published_size(site, tmp_path):
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


def test_passing_errors_are_retried_and_lasting_ones_are_not(site, tmp_path):
    site.script = [status(503), resetting, status(429)]
    assert get(site, tmp_path / "1").read_bytes() == BODY
    assert len(site.requests) == 4
    site.script = [status(403)]
    remedy = "check the network and run again, or name a folder that holds it"
    with pytest.raises(Unavailable, match=rf"answers 403 Forbidden for .*a\.bin; {remedy}"):
        get(site, tmp_path / "2")
    assert len(site.requests) == 5


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
    assert site.requests[0]["Accept-Encoding"] == "identity"


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
    recorded = {}
    get(site, tmp_path / "first", recorded)
    site.files["a.bin"] = BODY[:-1] + b"!"
    with pytest.raises(DownloadError, match="data/digests records"):
        get(site, tmp_path / "second", recorded)
    site.files["a.bin"] = BODY[:-1]
    with pytest.raises(DownloadError, match="2999999 bytes, expected are 3000000"):
        get(site, tmp_path / "second", recorded)
    assert names(tmp_path / "second") == []


def test_a_damaged_copy_is_downloaded_again(site, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"damaged")
    assert get(site, tmp_path, sha256=SHA).read_bytes() == BODY


def test_no_room_is_said_before_the_download(site, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 1_000_000))
    message = r"a\.bin: the download needs 3 MB on the disk and 1 MB are free"
    with pytest.raises(DownloadError, match=message) as error:
        get(site, tmp_path)
    assert not isinstance(error.value, Unavailable) and len(site.requests) == 1


def test_a_full_disk_is_one_line_and_keeps_the_partial_file(site, tmp_path, monkeypatch):
    logged = resume._logged

    def full(chunks, *facts):
        for number, chunk in enumerate(logged(chunks, *facts)):
            if number == 4:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            yield chunk

    monkeypatch.setattr(resume, "_logged", full)
    message = r"^a\.bin: no space left on the disk; free some and run again$"
    with pytest.raises(DownloadError, match=message):
        get(site, tmp_path)
    monkeypatch.setattr(resume, "_logged", logged)
    assert get(site, tmp_path).read_bytes() == BODY
    assert int(site.requests[-1]["Range"][6:-1]) == 4 * resume.CHUNK


def test_progress_is_logged_in_megabytes_and_speed(caplog):
    chunks = [bytes(6_000_000)] * 4
    with caplog.at_level("INFO", logger="merflow"):
        assert list(resume._logged(chunks, "a.bin", 20_000_000, 44_000_000, every_s=0.0)) == chunks
    assert caplog.messages[0].startswith("a.bin: 26 of 44 MB (")
    assert caplog.messages[0].endswith(" MB/s)")


def test_a_file_url_is_copied_not_linked(tmp_path):
    origin = tmp_path / "my data" / "a.bin"
    origin.parent.mkdir()
    origin.write_bytes(b"one")
    source, folder = Source(origin.as_uri()), tmp_path / "downloads"
    path = retrieve(source, folder, {})
    assert path.read_bytes() == b"one"
    assert not path.is_symlink() and path.stat().st_ino != origin.stat().st_ino
    origin.write_bytes(b"two")
    assert retrieve(source, folder, {}).read_bytes() == b"two"
    with pytest.raises(DownloadError, match=r"a\.bin: no such file"):
        origin.unlink()
        retrieve(source, folder, {})


def test_the_hub_offline_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    url = f"hf://datasets/declare-lab/MELD@{'9abc51e0' * 5}/data/MELD.Raw.tar.gz"
    message = "data set declare-lab/MELD of the Hugging Face Hub cannot be had"
    with pytest.raises(Unavailable, match=message) as error:
        retrieve(Source(url), tmp_path, {})
    assert "check the network and run again" in one_line(error)
    assert "MELD.Raw.tar.gz" not in names(tmp_path)


def test_a_hub_file_is_retrieved_by_commit_and_verified(tmp_path, monkeypatch):
    requests = []

    def hub(repository, file, *, repo_type, revision, local_dir):
        requests.append((repository, file, repo_type, revision))
        target = Path(local_dir, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(BODY)
        return str(target)

    monkeypatch.setattr(download, "hf_hub_download", hub)
    commit = "9abc51e0" * 5
    folder = f"hf://datasets/declare-lab/MELD@{commit}/data"
    recorded = {}
    path = retrieve(Source(f"{folder}/a.bin"), tmp_path, recorded)
    assert path == tmp_path / "a.bin" and path.read_bytes() == BODY
    assert requests == [("declare-lab/MELD", "data/a.bin", "dataset", commit)]
    assert recorded == {f"{folder}/a.bin": Digest(3_000_000, SHA)}
    with pytest.raises(DownloadError, match="expected sha256:0000"):
        retrieve(Source(f"{folder}/b.bin", sha256="0" * 64), tmp_path, recorded)


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
    lines = ["url,size,sha256", f"http://a/y,0,{'0' * 64}", f'"https://b/x?a=1,2",5,{SHA}']
    assert path.read_text().splitlines() == lines
    assert read_digests(path) == digests
    path.write_text(path.read_text() + "http://c/z,12,abc\n")
    with pytest.raises(DownloadError, match=r"meld\.csv: line 4 is not url,size,sha256"):
        read_digests(path)
