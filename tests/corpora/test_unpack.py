"""Hostile archives, damaged archives, and archives inside archives."""

import errno
import gzip
import os
import random
import shutil
import stat
import tarfile
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
from support.archives import NOISE, special, tar, tree, zip_link, zipped

from merflow.corpora.unpack import DamagedArchive, Limits, is_archive, unpack
from merflow.errors import DownloadError

Usage = namedtuple("Usage", "total used free")


def packed(name: str, members) -> bytes:
    """An archive of the kind that its name says."""
    if name.lower().endswith("zip"):
        return zipped(members)
    return tar(members, "w:" if name == "a.tar" else "w:gz")


def unpacked(tmp_path: Path, name: str, content: bytes, **limit) -> dict[str, bytes]:
    (tmp_path / name).write_bytes(content)
    unpack(tmp_path / name, tmp_path / "into", Limits(**limit))
    return tree(tmp_path / "into")


def refused(tmp_path: Path, name: str, content: bytes, **limit) -> str:
    """Message of a refusal, after which nothing is left but the archive."""
    room = tmp_path / "room"
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir()
    (room / name).write_bytes(content)
    with pytest.raises(DownloadError) as error:
        unpack(room / name, room / "into", Limits(**limit))
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert left == ["room", f"room/{name}"]
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "A.TAR.GZ", "a.zip"])
def test_files_and_folders_come_out(tmp_path, name):
    members = [
        ("MELD/train.csv", b"a,b\n"),
        ("MELD/clips/dia0_utt0.mp4", NOISE),
        ("empty.txt", b""),
    ]
    assert unpacked(tmp_path, name, packed(name, members)) == dict(members)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["into", name])


def test_a_gzip_that_a_server_unpacked_on_the_way_is_still_a_tar(tmp_path):
    assert unpacked(tmp_path, "a.tar.gz", tar([("x", b"1")], "w:")) == {"x": b"1"}


def test_archives_inside_are_unpacked_where_they_lie(tmp_path):
    deep = zipped([("more/x.wav", b"sound")])
    train = tar([("train_splits/dia0_utt0.mp4", b"clip"), ("train_splits/deep.zip", deep)])
    members = [
        ("MELD.Raw/train.tar.gz", train),
        ("MELD.Raw/._train.tar.gz", b"Mac OS X"),
        ("MELD.Raw/dev.csv", b"1"),
    ]
    assert unpacked(tmp_path, "MELD.Raw.tar.gz", tar(members)) == {
        "MELD.Raw/train_splits/dia0_utt0.mp4": b"clip",
        "MELD.Raw/train_splits/more/x.wav": b"sound",
        "MELD.Raw/._train.tar.gz": b"Mac OS X",
        "MELD.Raw/dev.csv": b"1",
    }


def test_depth_of_archives_is_bounded(tmp_path):
    nested = [zipped([("x", b"1")])]
    for level in range(3):
        nested.append(zipped([(f"inner{level}.zip", nested[-1])]))
    assert "3 deep, 2 are allowed" in refused(tmp_path, "a.zip", nested[3], depth=2)
    assert unpacked(tmp_path, "b.zip", nested[2], depth=2) == {"x": b"1"}


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "a/..", "//evil"])
def test_names_that_lead_out_are_refused(tmp_path, name):
    members = [("fine", b"1"), (name, b"evil")]
    expected = f"a.tar.gz: member {name!r} leads out of the folder ({name!r}), refused"
    assert refused(tmp_path, "a.tar.gz", tar(members)) == expected
    assert "leads out of the folder" in refused(tmp_path, "a.zip", zipped(members))


def test_names_inside_an_inner_archive_are_checked_too(tmp_path):
    outer = tar([("deep/er/inner.tar", tar([("../../../evil", b"evil")], "w:"))])
    assert "inner.tar: member '../../../evil' leads out" in refused(tmp_path, "a.tar.gz", outer)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../etc/passwd", "../evil"])
def test_links_that_lead_out_are_refused(tmp_path, kind, target):
    content = tar([("x", b"1"), special("link", kind, target)], "w:")
    assert "a link, leads out of the folder" in refused(tmp_path, "a.tar", content)


def test_a_file_is_never_written_through_a_link(tmp_path):
    for target in (".", "/tmp", "d"):
        members = [("d/x", b"1"), special("link", tarfile.SYMTYPE, target), ("link/evil", b"evil")]
        assert "'link'" in refused(tmp_path, "a.tar", tar(members, "w:"))


def test_links_inside_become_copies(tmp_path):
    members = [
        ("d/x", b"1"),
        special("hard", tarfile.LNKTYPE, "d/x"),
        special("e/soft", tarfile.SYMTYPE, "../d/x"),
    ]
    assert unpacked(tmp_path, "a.tar", tar(members, "w:")) == {
        "d/x": b"1",
        "hard": b"1",
        "e/soft": b"1",
    }
    files = [path for path in (tmp_path / "into").rglob("*") if path.is_file()]
    assert {path.stat().st_nlink for path in files} == {1}


def test_links_in_a_zip_are_checked_too(tmp_path):
    outside = zipped([(zip_link("link"), "../../etc/passwd")])
    assert "leads out" in refused(tmp_path, "a.zip", outside)
    dangling = zipped([(zip_link("link"), "nothing")])
    assert "which is not a file before it" in refused(tmp_path, "a.zip", dangling)
    inside = zipped([("d/x", b"1"), (zip_link("d/link"), "x")])
    assert unpacked(tmp_path, "b.zip", inside) == {"d/x": b"1", "d/link": b"1"}


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(tmp_path, kind):
    node = tar([special("node", kind)], "w:")
    expected = "a.tar: member 'node' is a device or pipe, refused"
    assert refused(tmp_path, "a.tar", node) == expected
    node = zipped([(zip_link("node", stat.S_IFCHR), "")])
    assert "is a device or pipe" in refused(tmp_path, "a.zip", node)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["x", "./x", "x/y"])
def test_two_members_of_one_name_are_refused(tmp_path, second):
    members = [("x", b"1"), (second, b"2")]
    expected = f"member {second!r} occurs twice, or as a file and a folder, refused"
    assert expected in refused(tmp_path, "a.tar.gz", tar(members))
    assert "occurs twice" in refused(tmp_path, "a.zip", zipped(members))


def test_an_inner_archive_overwrites_no_file_beside_it(tmp_path):
    outer = zipped([("d/labels.csv", b"right"), ("d/more.zip", zipped([("labels.csv", b"wrong")]))])
    assert "more.zip: member 'labels.csv' occurs twice" in refused(tmp_path, "a.zip", outer)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_bombs_are_refused_while_they_unpack(tmp_path, name):
    bomb, noise = packed(name, [("zeros", bytes(20_000_000))]), packed(name, [("noise", NOISE)])
    line = refused(tmp_path, name, bomb, free=1_000_000, ratio=10.0)
    assert line.startswith(f"{name}: 0.0")
    assert line.endswith("MB that unpack to more than 1 MB, refused as a bomb")
    assert "more than 0.04 MB" in refused(tmp_path, name, noise, size=40_000)


def test_bombs_in_pieces_and_levels_count_together(tmp_path):
    zeros = bytes(400_000)
    outer = zipped([(f"{number}.zip", zipped([(f"{number}", zeros)])) for number in range(10)])
    assert "refused as a bomb" in refused(tmp_path, "a.zip", outer, free=1_000_000, ratio=2.0)


def test_a_zip_header_that_understates_is_not_believed(tmp_path):
    content = bytearray(zipped([("zeros", bytes(1_000_000))]))
    entry = content.rindex(b"PK\x01\x02")  # of the central directory
    content[entry + 24 : entry + 28] = (100).to_bytes(4, "little")  # uncompressed size
    assert "not a whole archive" in refused(tmp_path, "a.zip", bytes(content))


def test_too_many_members_are_refused(tmp_path):
    eleven = tar([(str(number), b"") for number in range(11)])
    assert "more than 10 members" in refused(tmp_path, "a.tar.gz", eleven, members=10)


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path):
    info = tarfile.TarInfo("x")
    info.pax_headers = {"comment": "x" * 2_000_000}
    assert "a header of 2000" in refused(tmp_path, "a.tar.gz", tar([info]))


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
def test_an_archive_cut_off_anywhere_is_noticed(tmp_path, name):
    members = [(f"{n}.wav", NOISE[n * 700 : n * 700 + 1500]) for n in range(6)]
    whole = packed(name, members)
    end = 6 * (512 + 1536) if name == "a.tar" else len(whole) - 1  # a tar ends with padding
    for length in [*range(0, end, 512), end]:
        (tmp_path / name).write_bytes(whole[:length])
        with pytest.raises(DamagedArchive, match="not a whole archive") as error:
            unpack(tmp_path / name, tmp_path / "into", Limits())
        assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_damaged_header_in_the_middle_is_not_taken_for_the_end(tmp_path):
    content = bytearray(tar([("1", b"one"), ("2", b"two"), ("3", b"three")], "w:"))
    content[1024 + 20] ^= 1  # name of the second member
    assert "bad checksum" in refused(tmp_path, "a.tar", bytes(content))


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_a_second_archive_behind_the_end_mark_is_refused(tmp_path, name):
    content = packed(name, [("1", b"1")]) + packed(name, [("2", b"2")])
    assert "data behind its end mark" in refused(tmp_path, name, content)


def test_the_checksum_of_a_gzip_is_checked(tmp_path):
    content = bytearray(tar([("1", b"1")]))
    content[-8] ^= 1
    assert "CRC check failed" in refused(tmp_path, "a.tar.gz", bytes(content))


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
def test_damaged_bytes_end_in_one_line(tmp_path, name):
    whole = packed(name, [("1", NOISE[:900]), ("2", b"2")])
    rng, failures = random.Random(5), 0
    for _ in range(150):
        content = bytearray(whole)
        for place in rng.sample(range(min(len(content), 3000)), 3):
            content[place] = rng.randrange(256)
        (tmp_path / name).write_bytes(content)
        try:
            unpack(tmp_path / name, tmp_path / "into", Limits())
            shutil.rmtree(tmp_path / "into")
        except DownloadError as error:
            failures += 1
            assert "\n" not in str(error)
        assert [path.name for path in tmp_path.iterdir()] == [name]
    assert failures > 40


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.zip", b"<html>"),
        ("a.tar.gz", gzip.compress(b"no tar", mtime=0)),
        ("a.tar", b""),
        ("a.tgz", b"\x1f\x8b"),
    ],
)
def test_another_file_is_not_an_archive(tmp_path, name, content):
    assert "not a whole archive" in refused(tmp_path, name, content)


def test_an_encrypted_member_says_what_to_do(tmp_path):
    content = bytearray(zipped([("x", b"1")]))
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    expected = "is encrypted; unpack it by hand and set the source to the folder"
    assert expected in refused(tmp_path, "a.zip", bytes(content))


def test_no_room_is_said_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 60_000))
    assert refused(tmp_path, "a.tar", tar([("x", NOISE)], "w:")) == (
        "a.tar: unpacking it needs 0.123 MB on the disk and 0.06 MB are free; "
        "free some and run again"
    )
    assert unpacked(tmp_path, "b.zip", zipped([("x", NOISE)])) == {"x": NOISE}


def test_a_disk_that_fills_up_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("merflow.corpora.unpack._Unpacking._pour", full)
    expected = "a.tar: no space left on the disk; free some and run again"
    assert refused(tmp_path, "a.tar", tar([("x", NOISE)], "w:")) == expected


def test_the_leftovers_of_a_killed_run_do_not_disturb(tmp_path):
    (tmp_path / ".into.part").mkdir()
    (tmp_path / ".into.part" / "x").write_bytes(b"old")
    assert unpacked(tmp_path, "a.zip", zipped([("x", b"new")])) == {"x": b"new"}


def test_the_name_says_whether_a_file_is_an_archive():
    archives = ["a.zip", "b.TAR", "c.tar.gz", "d.tgz"]
    other_files = ["._c.tar.gz", "e.gz", "f.csd", "tar", "g.zip.txt"]
    assert all(is_archive(Path("d", name)) for name in archives)
    assert not any(is_archive(Path("d", name)) for name in other_files)


def test_a_member_without_a_name_is_refused(tmp_path):
    nameless = zipfile.ZipInfo("x")
    nameless.filename = ""
    assert "member '' occurs twice" in refused(tmp_path, "a.zip", zipped([(nameless, b"1")]))
