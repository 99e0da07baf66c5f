"""Jobs as forks of a warm process answer as other processes do, and leave no process behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support import ROOT

from merflow import warm
from merflow.start import ADDRESS, KILLED, _fits

MERFLOW = str(Path(sys.executable).with_name("merflow"))
START = """if True:
    import os, sys
    import warm_process
    warm_process.start()
    print(os.environ["MERFLOW_WARM"])
"""

LIBRARY = [str(ROOT / "workflow/lib"), os.environ.get("PYTHONPATH", "")]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, LIBRARY))}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Address of a warm process, and the process; it ends with the process that started it."""
    code = f"{START}    sys.stdout.flush()\n    input()"
    run = subprocess.Popen(
        [sys.executable, "-c", code],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path_factory.mktemp("run"),
    )
    address = run.stdout.readline().strip()
    (process,) = psutil.Process(run.pid).children()
    yield address, process
    run.kill()  # as the kernel does for memory: the warm process has to notice by itself
    run.communicate()
    process.wait(timeout=10)
    assert not Path(address).parent.exists()


def test_stages_of_dvc_share_a_warm_process_that_ends_with_dvc(tmp_path):
    stage = [sys.executable, "-c", START]
    dvc = f"""if True:
        import os, subprocess
        def output(command, **environment):
            return subprocess.check_output(command, env=os.environ | environment, text=True)
        addresses = [output({stage}, DVC_STAGE=name) for name in ("one", "two")]
        processes = output(["pgrep", "-f", f"merflow.warm [0-9]+ {{os.getpid()}}$"])
        print(*addresses, os.getpid(), processes)"""
    done = subprocess.run(
        [sys.executable, "-c", dvc],
        env=ENVIRONMENT,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    first, second, owner, *processes = done.stdout.split()
    assert first == second and f"-{owner}-" in first
    (process,) = map(int, processes)
    psutil.wait_procs([psutil.Process(process)] if psutil.pid_exists(process) else [], timeout=10)
    assert not psutil.pid_exists(process) and not Path(first).parent.exists()


def merflow(*arguments: str, cwd: Path, address: str = "") -> subprocess.CompletedProcess:
    return subprocess.run(
        [MERFLOW, *arguments],
        cwd=cwd,
        env=os.environ | {ADDRESS: address},
        capture_output=True,
        text=True,
        check=False,
    )


def project_in(folder: Path) -> None:
    """Make `folder` look like the project's."""
    for name in ("Snakefile", "dvc.yaml"):
        (folder / name).touch()


@pytest.mark.parametrize(
    "arguments",
    [["stores"], ["--unknown"], ["gather", "absent", "--out", "x/predictions.parquet"]],
    ids=str,
)
def test_a_fork_answers_as_a_process_of_its_own(address, tmp_path, arguments):
    alone, fork = (merflow(*arguments, cwd=tmp_path, address=where) for where in ("", address[0]))
    assert (fork.returncode, fork.stdout, fork.stderr) == (
        alone.returncode,
        alone.stdout,
        alone.stderr,
    )


def test_a_job_that_succeeds_notes_its_time_and_memory(address, tmp_path):
    project_in(tmp_path)
    assert merflow("--log", "good.log", "stores", cwd=tmp_path, address=address[0]).returncode == 0
    failing = ["--log", "bad.log", "gather", "absent", "--out", "x"]
    assert merflow(*failing, cwd=tmp_path, address=address[0]).returncode == 1
    heads, values = (line.split("\t") for line in (tmp_path / "good.tsv").read_text().splitlines())
    usage = dict(zip(heads, map(float, values), strict=True))
    assert heads == ["s", "max_rss", "cpu_time"]
    assert 0 < usage["cpu_time"] < 60 and usage["s"] < 60 and 10 < usage["max_rss"] < 5000
    assert not (tmp_path / "bad.tsv").exists()


def test_without_a_warm_process_the_job_runs_by_itself(tmp_path):
    project_in(tmp_path)
    assert merflow("stores", cwd=tmp_path, address=str(tmp_path / "nobody")).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "fits"),
    [
        ("train x", True),
        ("--threads 1 train", True),
        ("--threads 4 train", False),
        ("train --gpus 0", True),
        ("train --gpus 2", False),
    ],
)
def test_jobs_with_threads_or_gpus_are_not_forks(arguments, fits):
    assert _fits(["merflow", *arguments.split()]) == fits


@pytest.fixture
def job(address, tmp_path):
    """A job that waits for a reader of its log, and its fork: they live until they are killed."""
    project_in(tmp_path)
    os.mkfifo(tmp_path / "log")
    earlier = address[1].children()
    process = subprocess.Popen(
        [MERFLOW, "--log", "log", "stores"], cwd=tmp_path, env=os.environ | {ADDRESS: address[0]}
    )
    end = time.monotonic() + 30
    while not (forks := [child for child in address[1].children() if child not in earlier]):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.02)
    yield process, forks[0]
    process.kill()


@pytest.mark.parametrize("delay", [0.0, 0.3], ids=["at once", "at work"])
def test_a_fork_ends_with_its_job(job, delay):
    client, fork = job
    time.sleep(delay)
    client.send_signal(signal.SIGTERM)  # as Snakemake ends the jobs of a run that is interrupted
    client.wait(timeout=10)
    fork.wait(timeout=10)


def test_a_fork_that_is_killed_fails_its_job(job):
    client, fork = job
    fork.kill()
    assert client.wait(timeout=10) == KILLED


def test_imports_of_steps_start_no_thread_but_the_allocators():
    names = sorted(
        {name for modules in warm.MODULES.values() for name in modules}
        | {name for registry in warm.REGISTRIES.values() for name in registry.values()}
    )
    code = f"""if True:
        import pathlib
        from importlib import import_module
        for name in {names}:
            import_module(name)
        tasks = pathlib.Path("/proc/self/task").glob("*/comm")
        print(*sorted(path.read_text().strip() for path in tasks))"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    threads = set(done.stdout.split()) - {"python", "python3", "python3.11"}
    assert threads <= {"jemalloc_bg_thd"}  # it is made for forks
