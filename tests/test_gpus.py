"""Jobs at work on one machine take different GPUs; what a GPU is called is all that matters here, none is needed."""

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
    """Starts a job that takes so many of two GPUs and keeps them; ``line()`` of it waits for what it took."""
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
    for one in started:
        one.kill()
        one.communicate()


def test_jobs_take_different_gpus_and_a_killed_one_leaves_its_own_to_who_waits(job):
    first, second = job(1), job(1)
    taken = [one.stdout.readline().strip() for one in (first, second)]
    assert sorted(taken) == ["GPU-a", "GPU-b"]
    third = job(1)
    with pytest.raises(subprocess.TimeoutExpired):
        third.wait(2)
    os.set_blocking(third.stdout.fileno(), False)
    assert third.stdout.readline() == ""  # it waits
    os.set_blocking(third.stdout.fileno(), True)
    second.send_signal(signal.SIGKILL)
    assert third.stdout.readline().strip() == taken[1]


def test_one_job_takes_several(job):
    assert job(2).stdout.readline().strip() == "GPU-a,GPU-b"


def test_more_than_there_are_is_one_line(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(
        ParamsError, match="the job asks for 3 GPUs and sees 2; lower its resource gpu"
    ):
        gpus.take(3)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ParamsError, match="sees 0"):
        gpus.take(1)


@pytest.mark.parametrize("given", ["SLURM_JOB_ID", "LOCAL_RANK"])
def test_what_a_scheduler_or_a_launcher_gave_stays(monkeypatch, given):
    monkeypatch.setenv(given, "0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    gpus.take(2)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"


def test_a_job_with_several_gpus_becomes_as_many_processes_once(monkeypatch):
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
