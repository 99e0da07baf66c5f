"""Machines: what the profiles for clusters and GPUs ask for, rule by rule; and a run on Slurm where there is one."""

import re
import shutil
import subprocess
import sys

import pytest
import yaml
from support import FAKE_MERFLOW, ROOT

RULES = set(
    re.findall(
        r"^rule (\w+):",
        "".join(path.read_text() for path in ROOT.glob("workflow/rules/*.smk")),
        re.MULTILINE,
    )
)


def profile(name: str) -> dict:
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


def commands(checkout, *arguments: str) -> list[str]:
    """Shell commands of the jobs of a dry run."""
    printed = checkout.run("snakemake", "-n", "--printshellcmds", *arguments).stdout
    return re.findall(r"merflow --log .*", printed)


@pytest.mark.parametrize("name", ["slurm", "gpu"])
def test_profiles_speak_of_rules_that_there_are(name):
    given = profile(name)
    assert set(given["set-resources"]) | set(given["set-threads"]) <= RULES


def test_on_a_cluster_every_job_has_memory_and_time_and_gets_more_when_it_was_killed():
    given = profile("slurm")
    assert given["retries"] >= 1
    assert {"mem_mb", "runtime"} <= set(given["default-resources"])  # of every rule
    blocks = [given["default-resources"], *given["set-resources"].values()]
    asked = [str(block[key]) for block in blocks for key in ("mem_mb", "runtime") if key in block]
    assert all("attempt" in text for text in asked)


@pytest.mark.parametrize(
    "arguments",
    [("--profile", "profiles/slurm"), ("--profile", "profiles/gpu", "--cores", "8")],
    ids=lambda a: a[1],
)
def test_what_computes_in_a_network_gets_a_gpu_of_its_own(clean, arguments):
    found = commands(clean, *arguments)
    asked = {
        step: [line for line in found if f" {step} " in line]
        for step in ("train", "extract bert", "extract clip", "extract is13")
    }
    assert all(asked.values())
    for step, lines in asked.items():
        assert all(f"--gpus {0 if step == 'extract is13' else 1} " in line for line in lines), step


def test_without_a_profile_no_job_takes_a_gpu(clean):
    assert {
        word for line in commands(clean, "--cores", "2") for word in re.findall(r"--gpus \d+", line)
    } == {"--gpus 0"}


def slurm() -> bool:
    return (
        shutil.which("sinfo") is not None
        and subprocess.run(["sinfo"], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.nightly
@pytest.mark.skipif(not slurm(), reason="no Slurm answers here (sinfo)")
def test_a_job_that_slurm_kills_is_started_again_with_more(clean):
    """Step prepare cancels its own job the first time, as the scheduler ends one that takes too long."""
    (clean.path.parent / "bin" / "merflow").write_text(
        f"#!/bin/sh\ncase \"$*\" in *' prepare '*) if mkdir {clean.path}/build/once; then scancel $SLURM_JOB_ID; sleep 60; fi;; esac\n"
        f'exec {sys.executable} {FAKE_MERFLOW} "$@"\n'
    )
    flags = [
        "--profile",
        "profiles/slurm",
        "--slurm-no-account",
        "--slurm-init-seconds-before-status-checks",
        "5",
    ]
    done = clean.run("snakemake", *flags, "--", "data/corpora/meld/utterances.parquet")
    assert clean.steps() == {"fetch": 1, "prepare": 1}
    assert "Trying to restart" in done.stderr
    jobs = subprocess.run(
        ["squeue", "--all", "--states=all", "--format=%Z %T %l %m"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    mine = sorted(
        line.split()[1:] for line in jobs.splitlines() if line.startswith(f"{clean.path} ")
    )
    assert mine == [["CANCELLED", "30:00", "2000M"], ["COMPLETED", "1:00:00", "4000M"]]
