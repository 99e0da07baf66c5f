"""Jobs of one machine take different GPUs. Only names of GPUs matter here: none is needed."""

import os
import signal
import subprocess
import sys

import pytest

from merflow import gpus
from merflow.errors import ParamsError

JOB = """
import os, sys
from merflow.gpus import take
take(int(sys.argv[1]))
print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
input()
"""


@pytest.fixture
def job(tmp_path):
    """Function that starts a job, which takes some of two GPUs, prints their names and waits."""
    started = []
    env = {
        key: value for key, value in os.environ.items() if key not in ("SLURM_JOB_ID", "LOCAL_RANK")
    }
    env |= {"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b", "TMPDIR": str(tmp_path)}

    def start(count: int) -> subprocess.Popen:
        command = [sys.executable, "-c", JOB, str(count)]
        started.append(
            subprocess.Popen(
                command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_jobs_take_different_gpus_and_a_kill_frees_them(job):
    first, second = job(1), job(1)
    taken = [process.stdout.readline().strip() for process in (first, second)]
    assert sorted(taken) == ["GPU-a", "GPU-b"]
    third = job(1)
    with pytest.raises(subprocess.TimeoutExpired):
        third.wait(2)
    os.set_blocking(third.stdout.fileno(), False)
    assert third.stdout.readline() == ""  # it waits
    os.set_blocking(third.stdout.fileno(), True)
    second.send_signal(signal.SIGKILL)
    assert third.stdout.readline().strip() == taken[1]


def test_one_job_takes_two_gpus(job):
    assert job(2).stdout.readline().strip() == "GPU-a,GPU-b"


def test_too_few_gpus_are_one_line(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(
        ParamsError, match="the job asks for 3 GPUs and sees 2; lower its resource gpu"
    ):
        gpus.take(3)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ParamsError, match="sees 0"):
        gpus.take(1)


@pytest.mark.parametrize("variable", ["SLURM_JOB_ID", "LOCAL_RANK"])
def test_gpus_of_a_scheduler_or_a_launcher_stay(monkeypatch, variable):
    monkeypatch.setenv(variable, "0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    gpus.take(2)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"


def test_a_job_becomes_one_process_per_gpu_once(monkeypatch):
    calls = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: calls.append((program, arguments)))
    monkeypatch.setattr(sys, "argv", ["merflow", "--log", "x", "train"])
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    gpus.relaunch(1)
    assert not calls
    gpus.relaunch(2)
    ((program, arguments),) = calls
    assert program == sys.executable
    assert arguments[arguments.index("--nproc-per-node") + 1] == "2"
    assert arguments[arguments.index("--") + 1 :] == ["merflow", "--log", "x", "train"]
    monkeypatch.setenv("LOCAL_RANK", "0")
    gpus.relaunch(2)
    assert len(calls) == 1
