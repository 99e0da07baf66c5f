"""A run that could not end well is refused before its first job, and says why in its last line."""

import shutil
import subprocess

import pytest

NO_WRITING = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
READ_ONLY = 'mount --bind . . && mount -o remount,ro,bind . && cd "$PWD" && exec "$@"'


def refused(checkout, *command: str) -> str:
    """Last line of a command that fails without a job, a traceback or a changed artifact."""
    before = checkout.artifacts()
    done = checkout.run(*command, check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    assert checkout.steps() == {}
    assert checkout.artifacts() == before
    return done.stderr.splitlines()[-1]


def test_without_git_no_job_runs_until_dvc_can_commit(checkout):
    shutil.rmtree(checkout.path / ".git")
    checkout.set("evaluation.resamples", 123)
    line = refused(checkout, "snakemake", "--cores", "1")
    assert line.startswith("error: ") and "DVC needs `git init`, or `dvc config" in line
    checkout.dvc("config", "core.no_scm", "true")
    checkout.snakemake()
    assert checkout.steps()
    assert checkout.nothing_to_do() and checkout.clean_for_dvc()


@pytest.mark.parametrize("command", [("snakemake", "-n"), ("snakemake", "--cores", "1")])
def test_conflict_markers_in_the_lock_stop_a_run(checkout, command):
    checkout.edit("dvc.lock", "stages:\n", "<<<<<<< HEAD\nstages:\n")
    checkout.set("evaluation.resamples", 123)
    line = refused(checkout, *command)
    assert line.startswith("error: dvc.lock, line 2: has conflict markers of git")
    advice = line.split("`")[1]
    checkout.run(*advice.split())
    checkout.snakemake("-n")


SNAKEMAKE, DVC = ("snakemake", "--cores", "1"), ("dvc", "repro")
NO = ("lowercase: false", "lowercase: no", "no is false in YAML 1.1 (Snakemake) and")
TWICE = ("  resamples:", "  resamples: 100\n  resamples:", "evaluation.resamples is in line")


@pytest.mark.parametrize(
    ("tool", "old", "new", "message"),
    [(SNAKEMAKE, *NO), (DVC, *NO), (SNAKEMAKE, *TWICE)],  # DVC has words of its own for the last
)
def test_params_that_the_tools_read_differently_stop_both(checkout, tool, old, new, message):
    checkout.edit("params.yaml", old, new)
    before = checkout.artifacts()
    done = checkout.run(*tool, check=False)
    assert done.returncode != 0
    (line, *_) = [line for line in (done.stdout + done.stderr).splitlines() if message in line]
    assert "params.yaml, line " in line
    assert checkout.steps() == {} and checkout.artifacts() == before


def test_a_params_file_in_another_encoding_is_one_line(checkout):
    path = checkout.path / "params.yaml"
    path.write_bytes(b"# caf\xe9\n" + path.read_bytes())
    line = refused(checkout, "snakemake", "-n")
    assert line == "error: params.yaml, line 1: byte E9 is not UTF-8; save the file as UTF-8"


def test_a_file_in_place_of_a_folder_is_one_line(checkout):
    shutil.move(checkout.path / "data", checkout.path / "moved")
    (checkout.path / "data").touch()
    done = checkout.run("snakemake", "-n", check=False)
    assert "Traceback" not in done.stdout + done.stderr
    last = done.stderr.splitlines()[-1]
    assert last == "error: data: is a file, and a folder is expected here; move it away"


@pytest.mark.skipif(
    subprocess.run([*NO_WRITING, "mount --bind . ."], check=False, capture_output=True).returncode,
    reason="needs mounts of its own",
)
@pytest.mark.parametrize(
    ("command", "place"),
    [
        (("snakemake", "-n"), ".snakemake/run_lock"),
        (("python", "workflow/lib/plan.py"), "workflow/params/"),
    ],
)
def test_a_checkout_that_cannot_be_written_is_one_line(checkout, command, place):
    checkout = type(checkout)(checkout.path, fake=False)  # forks of another process could write
    checkout.set("evaluation.resamples", 123)
    line = refused(checkout, *NO_WRITING, READ_ONLY, "sh", *command)
    assert line.startswith(f"error: {place}") and "the file system is read-only" in line
