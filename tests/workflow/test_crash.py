"""The next run resumes a killed one: finished work stays, and both tools agree at the end.

The steps are stand-ins. benchmarks/crash.py does the same with real steps, a hundred times at
random moments. Tests marked nightly run with `make test-nightly` (docs/testing.md).
"""

import json
import os
import random
import shutil
import subprocess
from collections import Counter

import crash
import psutil
import pytest
from test_pipeline import ALL, BELOW_SCORE, LEARNING_RATE


def settled(checkout) -> bool:
    return (
        checkout.nothing_to_do()
        and checkout.clean_for_dvc()
        and not list(checkout.path.glob(".snakemake/locks/*"))
    )


@pytest.mark.nightly
def test_a_killed_first_run_in_a_clone_keeps_finished_work(checkout, tmp_path):
    checkout.set(LEARNING_RATE, 3e-4)
    # dvc.lock has other parameters of the corpus and of all that follows
    checkout.set("corpora.meld.source", "params")
    checkout.commit("other parameters than those of dvc.lock")
    subprocess.run(
        ["git", "clone", "--quiet", str(checkout.path), str(tmp_path / "clone")], check=True
    )
    clone = checkout.at(tmp_path / "clone")
    (clone.path / ".dvc/tmp").mkdir(exist_ok=True)
    clone.killed_during("score")
    before = clone.steps()
    assert before["gather"] == 7
    clone.snakemake()
    repeated = before + clone.steps() - Counter(ALL)
    assert repeated.total() <= 2  # the two jobs that were at work
    assert settled(clone)


def test_a_kill_costs_the_jobs_at_work_and_no_others(checkout):
    checkout.set("features.bert.max_tokens", 64)
    checkout.killed_during("train")
    done = checkout.steps()
    assert done["extract"] and done["merge"]  # of one corpus at least
    ended = checkout.snakemake()
    again = checkout.steps()
    assert {"train", "gather", *BELOW_SCORE} <= set(again)
    whole = Counter({"extract": 2, "merge": 2, "train": 2, "gather": 2} | BELOW_SCORE)
    # a job of the other corpus may have been at work beside the training
    assert (done + again - whole).total() <= 2
    assert "artifacts were moved" not in ended.stderr
    assert settled(checkout)


def test_the_next_start_commits_what_a_killed_run_finished(checkout):
    checkout.set(LEARNING_RATE, 3e-4)
    left = checkout.path / "results/tables/.index.json.123.part"
    left.write_text("half")  # as a job that was killed leaves it
    checkout.killed_during("score")
    checkout.snakemake("-n")
    assert not left.exists()
    stale = set(json.loads(checkout.dvc("status", "--json").stdout)) - {"code"}
    assert stale == {"score", "tables", "report"}


@pytest.mark.nightly
def test_dvc_checkout_after_a_kill_leaves_nothing_to_do(checkout):
    before = checkout.artifacts()
    rate = checkout.path / "params.yaml"
    text = rate.read_text()
    checkout.set(LEARNING_RATE, 3e-4)
    checkout.killed_during("score")
    rate.write_text(text)
    checkout.dvc("checkout", "--force")
    assert checkout.artifacts() == before
    checkout.steps()
    assert settled(checkout)
    checkout.snakemake()
    assert checkout.steps() == {}


def test_the_next_run_ends_jobs_of_a_killed_one(checkout):
    checkout.set(LEARNING_RATE, 3e-4)
    run = checkout.start("snakemake", "--cores", "2", FAKE_HANG="train")
    checkout.wait_for("train")
    children = psutil.Process(run.pid).children(recursive=True)
    command_lines = [child.as_dict(["cmdline"], ad_value=[])["cmdline"] for child in children]
    jobs = [child for child, line in zip(children, command_lines, strict=True) if "train" in line]
    run.kill()
    run.wait()
    assert jobs and all(job.is_running() for job in jobs)
    checkout.snakemake()
    assert not any(job.is_running() and job.status() != psutil.STATUS_ZOMBIE for job in jobs)
    assert settled(checkout)


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mount"), reason="only root may mount a small disk"
)
def test_a_full_disk_stops_the_run_and_spares_artifacts(checkout, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    ).returncode:
        pytest.skip("this machine permits no mount")
    try:
        small = checkout.copy(disk / "checkout")
        before, ballast = small.artifacts(), disk / "ballast"
        small.set("evaluation.resamples", 900)
        for room in (0, 2**21):  # bytes: no job begins; a job begins and runs out of space
            ballast.write_bytes(b"")
            ballast.write_bytes(b"x" * (shutil.disk_usage(disk).free - room))
            full = small.snakemake(check=False, FAKE_MEGABYTES="4")
            assert full.returncode != 0
            assert "no space left on the disk; free some and" in full.stderr
            assert {
                path: text
                for path, text in small.artifacts().items()
                if path in before and path != "results/scores/scores.json"
            }.items() <= before.items()
        ballast.unlink()
        small.snakemake()
        assert settled(small)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_second_run_is_refused_in_one_line_and_may_read(checkout):
    checkout.set(LEARNING_RATE, 3e-4)
    run = checkout.start("snakemake", "--cores", "2", FAKE_HANG="score")
    checkout.wait_for("score")
    before = checkout.artifacts()
    for tool in (("snakemake", "--cores", "1"), ("dvc", "repro")):
        second = checkout.run(*tool, check=False)
        assert second.returncode != 0
        assert any(
            f"rocess {run.pid}" in line or f"PID {run.pid}" in line
            for line in (second.stdout + second.stderr).splitlines()
        )
    assert "score" in checkout.snakemake("-n").stdout
    checkout.dvc("status")
    assert checkout.artifacts() == before
    crash.kill(crash.tree(run.pid))
    run.wait()
    checkout.snakemake()
    assert settled(checkout)


@pytest.mark.nightly
def test_beside_dvc_repro_snakemake_is_refused(checkout):
    checkout.set("evaluation.resamples", 900)
    repro = checkout.start("dvc", "repro", FAKE_HANG="score")
    checkout.wait_for("score")
    second = checkout.snakemake("--forcerun", "tables", check=False)
    assert second.returncode != 0
    assert (
        "another run works in this checkout" in second.stdout + second.stderr
        or "DVC" in second.stderr
    )
    crash.kill(crash.tree(repro.pid))
    repro.wait()
    checkout.snakemake()
    assert settled(checkout)


@pytest.mark.nightly
def test_kills_at_random_moments_change_no_byte(checkout, tmp_path):
    chance, kills = random.Random(1), Counter()
    whole = checkout.copy(tmp_path / "whole")
    for copy in (whole, checkout):
        copy.set("features.bert.max_tokens", 64)
        copy.set("media.jpeg_quality", 90)
    whole.snakemake()
    for _ in range(3):
        run = checkout.start("snakemake", "--cores", "2")
        if doing := crash.break_off(run, chance, kills):
            kills.update(doing)
    checkout.snakemake()
    assert crash.differing(crash.contents(whole.path), crash.contents(checkout.path)) == []
    assert settled(checkout)
