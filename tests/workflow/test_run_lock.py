"""Files that a killed process leaves, and their removal by the next start; no tool runs."""

import json
import os

import pytest
import run_lock
import sync

from merflow.errors import StoreError

LOCK = "schema: '2.0'\nstages:\n  a:\n    cmd: one\n  b:\n    cmd: two\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory: an empty checkout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(run_lock.IN_RUN, raising=False)
    monkeypatch.delenv(run_lock.IN_STAGE, raising=False)
    (tmp_path / ".snakemake").mkdir()
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    "left", ["", "schema: '2.0'\nstages:\n  a:\n    cmd: one\n", "schema: '2.0'\nstages:\n  a: {cm"]
)
def test_a_half_written_dvc_lock_is_restored(folder, left):
    sync.SAVED.write_text(LOCK)
    sync.LOCK.write_text(left)
    sync._mend()
    assert sync.LOCK.read_text() == LOCK
    assert not sync.SAVED.exists()


def test_a_dvc_lock_that_lost_no_stage_stays(folder):
    newer = LOCK.replace("two", "three") + "  c:\n    cmd: four\n"
    sync.SAVED.write_text(LOCK)
    sync.LOCK.write_text(newer)
    sync._mend()
    assert sync.LOCK.read_text() == newer


def test_a_first_dvc_lock_that_is_half_written_is_removed(folder):
    sync.SAVED.write_text("")
    sync.LOCK.write_text("schema: '2.0'\nsta")
    sync._mend()
    assert not sync.LOCK.exists()


def test_a_killed_run_is_removed_from_the_lock_of_dvc(folder):
    reader = {"pid": os.getpid(), "cmd": "dvc status"}
    (run_lock.DVC / "rwlock").write_text(
        json.dumps(
            {"read": {"/x": [{"pid": os.getpid(), "cmd": run_lock.READER}, reader]}, "write": {}}
        )
    )
    run_lock.clear_dvc()
    assert json.loads((run_lock.DVC / "rwlock").read_text()) == {
        "read": {"/x": [reader]},
        "write": {},
    }


def test_a_half_written_lock_of_dvc_is_removed(folder):
    (run_lock.DVC / "rwlock").write_text('{"read": {')
    run_lock.clear_dvc()
    assert not (run_lock.DVC / "rwlock").exists()


def test_half_a_lock_of_dvc_is_named_and_not_called_a_run(folder):
    (run_lock.DVC / "rwlock").write_text('{"read": {')
    with pytest.raises(StoreError, match=r"corrupted; .*remove .dvc/tmp/rwlock and start"):
        run_lock.RunLock().begin()


def test_locks_of_a_killed_run_are_removed_once_it_is_dead(folder):
    (folder / ".snakemake/locks").mkdir()
    (folder / ".snakemake/locks/0.input.lock").touch()
    run_lock.LOCK.write_text("999999999")
    lock = run_lock.RunLock()
    with lock.while_reading() as alone:
        assert alone and lock.killed
        assert not list((folder / ".snakemake/locks").iterdir())
    assert run_lock.LOCK.read_text() == ""


def test_the_mark_of_a_kill_stays_if_the_commit_fails(folder):
    run_lock.LOCK.write_text("999999999")
    with pytest.raises(StoreError, match="no"), run_lock.RunLock().while_reading():
        raise StoreError("no")
    assert run_lock.LOCK.read_text() == "999999999"


def test_without_the_lock_nothing_changes_and_nothing_begins(folder, capsys):
    first, second = run_lock.RunLock(), run_lock.RunLock()
    first.begin()
    os.environ.pop(run_lock.IN_RUN)  # set for the process of the first run
    (folder / ".snakemake/locks").mkdir()
    with second.while_reading() as alone:
        assert not alone
    assert f"another run works in this checkout (process {os.getpid()})" in capsys.readouterr().err
    assert (folder / ".snakemake/locks").exists()
    with pytest.raises(StoreError, match="another run works in this checkout"):
        second.begin()
    first.end()
    assert run_lock.LOCK.read_text() == ""


def test_a_job_of_a_run_leaves_the_lock_alone(folder):
    run_lock.LOCK.write_text("999999999")
    with run_lock.RunLock(job=True).while_reading() as alone:
        assert not alone
    assert run_lock.LOCK.read_text() == "999999999"


def test_a_full_disk_is_one_line_before_anything_begins(folder, monkeypatch):
    monkeypatch.setattr(run_lock, "SPACE", 2**62)
    with (
        pytest.raises(StoreError, match="no space left on the disk; free some and start again"),
        run_lock.RunLock().while_reading(),
    ):
        raise AssertionError
