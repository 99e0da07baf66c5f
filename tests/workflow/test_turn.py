"""What a killed process leaves in files of either tool, and how the next start takes it away; no tool runs here."""

import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow/lib"))

import sync
import turn

from merflow.errors import StoreError

LOCK = "schema: '2.0'\nstages:\n  a:\n    cmd: one\n  b:\n    cmd: two\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty checkout as the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(turn.IN_RUN, raising=False)
    monkeypatch.delenv(turn.IN_STAGE, raising=False)
    (tmp_path / ".snakemake").mkdir()
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    "left", ["", "schema: '2.0'\nstages:\n  a:\n    cmd: one\n", "schema: '2.0'\nstages:\n  a: {cm"]
)
def test_dvc_lock_that_a_killed_commit_left_half_written_is_put_back(folder, left):
    sync.SAVED.write_text(LOCK)
    sync.LOCK.write_text(left)
    sync._mend()
    assert sync.LOCK.read_text() == LOCK
    assert not sync.SAVED.exists()


def test_dvc_lock_that_lost_no_stage_stays_as_it_is(folder):
    newer = LOCK.replace("two", "three") + "  c:\n    cmd: four\n"
    sync.SAVED.write_text(LOCK)
    sync.LOCK.write_text(newer)
    sync._mend()
    assert sync.LOCK.read_text() == newer


def test_a_first_dvc_lock_that_is_half_written_goes(folder):
    sync.SAVED.write_text("")
    sync.LOCK.write_text("schema: '2.0'\nsta")
    sync._mend()
    assert not sync.LOCK.exists()


def test_a_dead_run_goes_out_of_the_lock_of_dvc_even_if_its_process_id_lives_again(folder):
    reader = {"pid": os.getpid(), "cmd": "dvc status"}
    (turn.DVC / "rwlock").write_text(
        json.dumps({"read": {"/x": [{"pid": os.getpid(), "cmd": turn.NAME}, reader]}, "write": {}})
    )
    turn.clear_dvc()
    assert json.loads((turn.DVC / "rwlock").read_text()) == {"read": {"/x": [reader]}, "write": {}}


def test_a_half_written_lock_of_dvc_goes(folder):
    (turn.DVC / "rwlock").write_text('{"read": {')
    turn.clear_dvc()
    assert not (turn.DVC / "rwlock").exists()


def test_locks_and_the_mark_of_a_killed_run_go_once_nobody_has_the_turn(folder):
    (folder / ".snakemake/locks").mkdir()
    turn.TURN.write_text("999999999")
    mine = turn.Turn()
    with mine.while_reading() as alone:
        assert alone and mine.killed
        assert not (folder / ".snakemake/locks").exists()
    assert turn.TURN.read_text() == ""


def test_the_mark_stays_if_what_was_finished_could_not_be_committed(folder):
    turn.TURN.write_text("999999999")
    with pytest.raises(StoreError, match="no"), turn.Turn().while_reading():
        raise StoreError("no")
    assert turn.TURN.read_text() == "999999999"


def test_who_has_not_the_turn_changes_nothing_and_begins_nothing(folder, capsys):
    first, second = turn.Turn(), turn.Turn()
    first.begin()
    os.environ.pop(turn.IN_RUN)  # of the first one's process
    (folder / ".snakemake/locks").mkdir()
    with second.while_reading() as alone:
        assert not alone
    assert f"another run works in this checkout (process {os.getpid()})" in capsys.readouterr().err
    assert (folder / ".snakemake/locks").exists()
    with pytest.raises(StoreError, match="another run works in this checkout"):
        second.begin()
    first.end()
    assert turn.TURN.read_text() == ""


def test_a_job_of_a_run_leaves_the_turn_alone(folder):
    turn.TURN.write_text("999999999")
    with turn.Turn(job=True).while_reading() as alone:
        assert not alone
    assert turn.TURN.read_text() == "999999999"


def test_a_full_disk_is_one_line_before_anything_begins(folder, monkeypatch):
    monkeypatch.setattr(turn, "ROOM", 2**62)
    with (
        pytest.raises(StoreError, match="no space left on the disk; free some and start again"),
        turn.Turn().while_reading(),
    ):
        raise AssertionError
