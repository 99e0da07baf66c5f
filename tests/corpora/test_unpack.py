"""Archives that mean harm, archives that are damaged, and archives inside archives."""

import errno
import gzip
import io
import os
import random
import shutil
import stat
import tarfile
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from merflow.corpora.unpack import DamagedArchive, Limits, is_archive, unpack
from merflow.errors import DownloadError

NOISE = random.Random(1).randbytes(50_000)
Usage = namedtuple("Usage", "total used free")


def tar(members, mode: str = "w:gz") -> bytes:
    """A tar of (name, content) or TarInfo for what has no content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zipped(members, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def zip_link(name: str, mode: int = stat.S_IFLNK) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (mode | 0o777) << 16
    return info


def tree(folder: Path) -> dict[str, bytes]:
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def unpacked(tmp_path: Path, name: str, content: bytes, **limit) -> dict[str, bytes]:
    (tmp_path / name).write_bytes(content)
    unpack(tmp_path / name, tmp_path / "into", Limits(**limit))
    return tree(tmp_path / "into")


def refused(tmp_path: Path, name: str, content: bytes, **limit) -> str:
    """The one line of a refusal, after which nothing is left but the archive."""
    outside = tmp_path / "room"
    outside.mkdir(exist_ok=True)
    (outside / name).write_bytes(content)
    with pytest.raises(DownloadError) as error:
        unpack(outside / name, outside / "into", Limits(**limit))
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == [
        "room",
        f"room/{name}",
    ]
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "A.TAR.GZ", "a.zip"])
def test_files_and_folders_come_out(tmp_path, name):
    members = [
        ("MELD/train.csv", b"a,b\n"),
        ("MELD/clips/dia0_utt0.mp4", NOISE),
        ("empty.txt", b""),
    ]
    content = (
        zipped(members)
        if name.endswith("zip")
        else tar(members, "w:" if name == "a.tar" else "w:gz")
    )
    assert unpacked(tmp_path, name, content) == dict(members)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["into", name])


def test_a_gzip_that_a_server_unpacked_on_the_way_is_still_a_tar(tmp_path):
    assert unpacked(tmp_path, "a.tar.gz", tar([("x", b"1")], "w:")) == {"x": b"1"}


def test_archives_inside_are_unpacked_where_they_lie(tmp_path):
    train = tar(
        [
            ("train_splits/dia0_utt0.mp4", b"clip"),
            ("train_splits/deep.zip", zipped([("more/x.wav", b"sound")])),
        ]
    )
    outer = tar(
        [
            ("MELD.Raw/train.tar.gz", train),
            ("MELD.Raw/._train.tar.gz", b"Mac OS X"),
            ("MELD.Raw/dev.csv", b"1"),
        ]
    )
    assert unpacked(tmp_path, "MELD.Raw.tar.gz", outer) == {
        "MELD.Raw/train_splits/dia0_utt0.mp4": b"clip",
        "MELD.Raw/train_splits/more/x.wav": b"sound",
        "MELD.Raw/._train.tar.gz": b"Mac OS X",
        "MELD.Raw/dev.csv": b"1",
    }


def test_depth_of_archives_is_bounded(tmp_path):
    inner = zipped([("x", b"1")])
    for level in range(3):
        inner = zipped([(f"inner{level}.zip", inner)])
    assert "3 deep, 2 are allowed" in refused(tmp_path, "a.zip", inner, depth=2)
    shutil.rmtree(tmp_path / "room")
    assert unpacked(
        tmp_path,
        "a.zip",
        zipped([("one.zip", zipped([("two.zip", zipped([("x", b"1")]))]))]),
        depth=2,
    ) == {"x": b"1"}


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "a/..", "//evil"])
def test_names_that_lead_out_are_refused(tmp_path, name):
    assert refused(tmp_path, "a.tar.gz", tar([("fine", b"1"), (name, b"evil")])) == (
        f"a.tar.gz: member {name!r} leads out of the folder ({name!r}), refused"
    )
    shutil.rmtree(tmp_path / "room")
    assert "leads out of the folder" in refused(
        tmp_path, "a.zip", zipped([("fine", b"1"), (name, b"evil")])
    )


def test_names_inside_an_inner_archive_are_checked_too(tmp_path):
    outer = tar([("deep/er/inner.tar", tar([("../../../evil", b"evil")], "w:"))])
    assert "inner.tar: member '../../../evil' leads out" in refused(tmp_path, "a.tar.gz", outer)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../etc/passwd", "../evil"])
def test_links_that_lead_out_are_refused(tmp_path, kind, target):
    assert "a link, leads out of the folder" in refused(
        tmp_path, "a.tar", tar([("x", b"1"), special("link", kind, target)], "w:")
    )


def test_a_file_is_never_written_through_a_link(tmp_path):
    for target in (".", "/tmp", "d"):
        members = [("d/x", b"1"), special("link", tarfile.SYMTYPE, target), ("link/evil", b"evil")]
        assert "'link'" in refused(tmp_path, "a.tar", tar(members, "w:"))
        shutil.rmtree(tmp_path / "room")


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
    assert {path.stat().st_nlink for path in (tmp_path / "into").rglob("*") if path.is_file()} == {
        1
    }


def test_links_in_a_zip_are_no_exception(tmp_path):
    assert "leads out" in refused(
        tmp_path, "a.zip", zipped([(zip_link("link"), "../../etc/passwd")])
    )
    shutil.rmtree(tmp_path / "room")
    assert "which is no file before it" in refused(
        tmp_path, "a.zip", zipped([(zip_link("link"), "nothing")])
    )
    shutil.rmtree(tmp_path / "room")
    assert unpacked(tmp_path, "a.zip", zipped([("d/x", b"1"), (zip_link("d/link"), "x")])) == {
        "d/x": b"1",
        "d/link": b"1",
    }


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(tmp_path, kind):
    assert (
        refused(tmp_path, "a.tar", tar([special("node", kind)], "w:"))
        == "a.tar: member 'node' is a device or pipe, refused"
    )
    shutil.rmtree(tmp_path / "room")
    assert "is a device or pipe" in refused(
        tmp_path, "a.zip", zipped([(zip_link("node", stat.S_IFCHR), "")])
    )


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["x", "./x", "x/y"])
def test_two_members_of_one_name_are_refused(tmp_path, second):
    members = [("x", b"1"), (second, b"2")]
    assert f"member {second!r} is there twice, or as a file and a folder, refused" in refused(
        tmp_path, "a.tar.gz", tar(members)
    )
    shutil.rmtree(tmp_path / "room")
    assert "is there twice" in refused(tmp_path, "a.zip", zipped(members))


def test_an_inner_archive_does_not_overwrite_what_lies_beside_it(tmp_path):
    outer = zipped([("d/labels.csv", b"right"), ("d/more.zip", zipped([("labels.csv", b"wrong")]))])
    assert "more.zip: member 'labels.csv' is there twice" in refused(tmp_path, "a.zip", outer)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_bombs_are_refused_while_they_unpack(tmp_path, name):
    pack = zipped if name == "a.zip" else tar
    line = refused(tmp_path, name, pack([("zeros", bytes(20_000_000))]), free=1_000_000, ratio=10.0)
    assert line.startswith(f"{name}: 0.0") and line.endswith(
        "MB that unpack to more than 1 MB, refused as a bomb"
    )
    shutil.rmtree(tmp_path / "room")
    assert "more than 0.04 MB" in refused(tmp_path, name, pack([("noise", NOISE)]), size=40_000)


def test_bombs_in_pieces_and_levels_count_together(tmp_path):
    inner = [
        (f"{number}.zip", zipped([(f"zeros{number}", bytes(400_000))])) for number in range(10)
    ]
    assert "refused as a bomb" in refused(
        tmp_path, "a.zip", zipped(inner), free=1_000_000, ratio=2.0
    )


def test_a_zip_header_that_understates_is_not_believed(tmp_path):
    content = bytearray(zipped([("zeros", bytes(1_000_000))]))
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = (100).to_bytes(
        4, "little"
    )  # uncompressed size in the central directory
    assert "not a whole archive" in refused(tmp_path, "a.zip", bytes(content))


def test_too_many_members_are_refused(tmp_path):
    assert "more than 10 members" in refused(
        tmp_path, "a.tar.gz", tar([(str(n), b"") for n in range(11)]), members=10
    )


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path):
    info = tarfile.TarInfo("x")
    info.pax_headers = {"comment": "x" * 2_000_000}
    assert "a header of 2000" in refused(tmp_path, "a.tar.gz", tar([info]))


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
def test_an_archive_cut_off_anywhere_is_noticed(tmp_path, name):
    members = [(f"{n}.wav", NOISE[n * 700 : n * 700 + 1500]) for n in range(6)]
    whole = (
        zipped(members) if name == "a.zip" else tar(members, "w:" if name == "a.tar" else "w:gz")
    )
    end = (
        6 * (512 + 1536) if name == "a.tar" else len(whole) - 1
    )  # what follows in a tar is padding
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
def test_a_second_archive_behind_the_end_mark_is_not_dropped_in_silence(tmp_path, name):
    mode = "w:" if name == "a.tar" else "w:gz"
    assert "data behind its end mark" in refused(
        tmp_path, name, tar([("1", b"1")], mode) + tar([("2", b"2")], mode)
    )


def test_the_checksum_of_a_gzip_is_checked(tmp_path):
    content = bytearray(tar([("1", b"1")]))
    content[-8] ^= 1
    assert "CRC check failed" in refused(tmp_path, "a.tar.gz", bytes(content))


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
def test_damaged_bytes_end_in_one_line(tmp_path, name):
    whole = (
        zipped([("1", NOISE[:900]), ("2", b"2")])
        if name == "a.zip"
        else tar([("1", NOISE[:900]), ("2", b"2")], "w:gz" if "gz" in name else "w:")
    )
    rng, failed = random.Random(5), 0
    for _ in range(150):
        content = bytearray(whole)
        for place in rng.sample(range(min(len(content), 3000)), 3):
            content[place] = rng.randrange(256)
        (tmp_path / name).write_bytes(content)
        try:
            unpack(tmp_path / name, tmp_path / "into", Limits())
            shutil.rmtree(tmp_path / "into")
        except DownloadError as error:
            failed += 1
            assert "\n" not in str(error)
        assert [path.name for path in tmp_path.iterdir()] == [name]
    assert failed > 40


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.zip", b"<html>"),
        ("a.tar.gz", gzip.compress(b"no tar", mtime=0)),
        ("a.tar", b""),
        ("a.tgz", b"\x1f\x8b"),
    ],
)
def test_no_archive_at_all(tmp_path, name, content):
    assert "not a whole archive" in refused(tmp_path, name, content)


def test_an_encrypted_member_says_what_to_do(tmp_path):
    content = bytearray(zipped([("x", b"1")]))
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    assert "is encrypted; unpack it by hand and set the source to the folder" in refused(
        tmp_path, "a.zip", bytes(content)
    )


def test_no_room_is_said_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 60_000))
    line = refused(tmp_path, "a.tar", tar([("x", NOISE)], "w:"))
    assert (
        line
        == "a.tar: unpacking it needs 0.123 MB on the disk and 0.06 MB are free; free some and run again"
    )
    shutil.rmtree(tmp_path / "room")
    assert unpacked(tmp_path, "a.zip", zipped([("x", NOISE)])) == {"x": NOISE}


def test_a_disk_that_fills_up_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("merflow.corpora.unpack._Unpacking._pour", full)
    assert (
        refused(tmp_path, "a.tar", tar([("x", NOISE)], "w:"))
        == "a.tar: no space left on the disk; free some and run again"
    )


def test_what_a_killed_run_left_does_not_disturb(tmp_path):
    (tmp_path / ".into.part").mkdir()
    (tmp_path / ".into.part" / "x").write_bytes(b"old")
    assert unpacked(tmp_path, "a.zip", zipped([("x", b"new")])) == {"x": b"new"}


def test_what_is_an_archive_is_told_by_name():
    names = [
        "a.zip",
        "b.TAR",
        "c.tar.gz",
        "d.tgz",
        "._c.tar.gz",
        "e.gz",
        "f.csd",
        "tar",
        "g.zip.txt",
    ]
    assert [name for name in names if is_archive(Path("d", name))] == [
        "a.zip",
        "b.TAR",
        "c.tar.gz",
        "d.tgz",
    ]


def test_a_member_without_a_name_is_refused(tmp_path):
    nameless = zipfile.ZipInfo("x")
    nameless.filename = ""
    assert "member '' is there twice" in refused(tmp_path, "a.zip", zipped([(nameless, b"1")]))
