"""Profiles for clusters and GPUs: resources of each rule; a run on Slurm where there is one."""

import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import gpu_limit
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
GPU_PROFILES = pytest.mark.parametrize(
    "arguments",
    [("--profile", "profiles/slurm"), ("--profile", "profiles/gpu", "--cores", "8")],
    ids=lambda arguments: arguments[1],
)


def profile(name: str) -> dict:
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


def gpus(checkout, *arguments: str) -> dict[str, set[str]]:
    """Numbers of GPUs in the commands of a dry run, by feature and for ``train``."""
    printed = checkout.run("snakemake", "-n", "--printshellcmds", *arguments).stdout
    numbers: dict[str, set[str]] = {}
    command = r"merflow --log .* (train|extract) (\w+) .*--gpus (\d+)"
    for step, name, number in re.findall(command, printed):
        numbers.setdefault(name if step == "extract" else step, set()).add(number)
    return numbers


@pytest.mark.parametrize("name", ["slurm", "gpu"])
def test_profiles_name_only_rules_that_exist(name):
    machine = profile(name)
    assert set(machine.get("set-resources", {})) | set(machine["set-threads"]) <= RULES


def test_a_killed_job_of_a_cluster_gets_more_memory_and_time():
    cluster = profile("slurm")
    assert cluster["retries"] >= 1
    assert {"mem_mb", "runtime"} <= set(cluster["default-resources"])  # of every rule
    blocks = [cluster["default-resources"], *cluster["set-resources"].values()]
    values = [str(block[key]) for block in blocks for key in ("mem_mb", "runtime") if key in block]
    assert all("attempt" in value for value in values)


@GPU_PROFILES
def test_networks_get_a_gpu_each(clean, arguments):
    assert gpus(clean, *arguments) == {"train": {"1"}, "bert": {"1"}, "clip": {"1"}, "is13": {"0"}}


@GPU_PROFILES
def test_a_new_neural_feature_gets_a_gpu(clean, arguments):
    """It needs no edit of a profile: its extractor says that it uses one."""
    clean.edit("src/merflow/features/audio/smile.py", "USES_GPU = False", "USES_GPU = True")
    assert gpus(clean, *arguments)["is13"] == {"1"}


def test_without_a_profile_no_job_gets_a_gpu(clean):
    assert set.union(*gpus(clean, "--cores", "2").values()) == {"0"}


def test_a_profile_may_give_a_training_job_several_gpus(clean):
    machine = ("--profile", "profiles/gpu", "--cores", "8", "--resources", "gpu=4")
    assert gpus(clean, *machine, "--set-resources", "train:gpu=2")["train"] == {"2"}


def test_a_job_on_another_machine_has_the_limit_of_its_run(monkeypatch):
    monkeypatch.setenv(gpu_limit.LIMIT, "0")
    given = {"gpu": SimpleNamespace(value=4)}
    limits = []
    for is_main, resources in ((True, given), (False, {})):
        workflow = SimpleNamespace(
            is_main_process=is_main,
            global_resources=resources,
            register_resource=lambda _, value: limits.append(value),
        )
        gpu_limit.apply(workflow)
    assert limits == [4, 4]


def slurm() -> bool:
    return (
        shutil.which("sinfo") is not None
        and subprocess.run(["sinfo"], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.nightly
@pytest.mark.skipif(not slurm(), reason="no Slurm answers (sinfo)")
def test_a_job_that_slurm_kills_is_started_again_with_more(clean):
    """Step prepare cancels its own job the first time, as the scheduler ends a job that is late."""
    cancel = f"if mkdir {clean.path}/build/once; then scancel $SLURM_JOB_ID; sleep 60; fi"
    (clean.path.parent / "bin" / "merflow").write_text(
        f"#!/bin/sh\ncase \"$*\" in *' prepare '*) {cancel};; esac\n"
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
    own_jobs = sorted(
        line.split()[1:] for line in jobs.splitlines() if line.startswith(f"{clean.path} ")
    )
    assert own_jobs == [["CANCELLED", "30:00", "2000M"], ["COMPLETED", "1:00:00", "4000M"]]
