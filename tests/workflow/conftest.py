"""Checkouts of this project in temporary folders, with a stand-in for steps."""

import compileall
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest
import yaml
from filelock import FileLock
from support import FAKE_MERFLOW, ROOT, forks
from support.tiny_checkpoint import save_tiny_bert

from merflow import selection

#: Files and folders of the project that a checkout needs.
FILES = [
    "src",
    "workflow",
    "profiles",
    "params",
    "reported",
    "Snakefile",
    "environment.yml",
    "dvc.yaml",
    "params.yaml",
    ".dvc/config",
    ".dvcignore",
    ".gitignore",
]

OTHER_STAGES = (
    "params.yaml asks for other stages or files than before;"
    " workflow/matrix.json is up to date now: start `dvc repro` again"
)


def kill_tree(pid: int) -> None:
    """Kill a process and its descendants, with the ones that left its session."""
    top = psutil.Process(pid)
    tree = [top, *top.children(recursive=True)]
    for process in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(tree[1:], timeout=10)


class Checkout:
    """A checkout at `path`, in which `snakemake` and `dvc` run; `steps` counts the steps.

    Attributes:
        path: of the checkout.
        fake: True if steps are stand-ins.
        tools: folder of executables that `run` prefers to the ones of the environment.
        log: a line for each step that ran.
        env: environment of commands.
    """

    def __init__(self, path: Path, fake: bool = True, tools: Path | None = None):
        self.path, self.fake, self.tools = path, fake, tools
        self.log = path.with_name(f"{path.name}.log")
        bin_ = path.with_name("bin")
        bin_.mkdir(exist_ok=True)
        if fake:
            shutil.copy(FAKE_MERFLOW, bin_ / "merflow")
        self.env = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("DVC_", "GIT_", "PYTEST_"))
        } | {
            "PATH": f"{bin_}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(path / "src"),
            "FAKE_LOG": str(self.log),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, *command: str, check: bool = True, **env: str) -> subprocess.CompletedProcess:
        path = self.env["PATH"] if self.tools is None else f"{self.tools}:{self.env['PATH']}"
        env = self.env | {"PATH": path} | env
        done = subprocess.run(
            command, cwd=self.path, env=env, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise AssertionError(
                f"{' '.join(command)} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def start(self, *command: str, **env: str) -> subprocess.Popen:
        """Start a command that runs beside the test."""
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(
            command, cwd=self.path, env=self.env | env, start_new_session=True, **pipes
        )

    def wait_for(self, step: str) -> None:
        """Wait until a job of `step` has begun."""
        end = time.monotonic() + 300
        while step not in (self.log.read_text() if self.log.exists() else ""):
            assert time.monotonic() < end, f"no {step} within five minutes"
            time.sleep(0.02)

    def killed_during(self, step: str, *command: str) -> None:
        """Kill `command` (the whole tree of its processes) while a job of `step` is at work."""
        run = self.start(*(command or ("snakemake", "--cores", "2")), FAKE_HANG=step)
        self.wait_for(step)
        kill_tree(run.pid)
        run.wait()

    def snakemake(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        return self.run("snakemake", "--cores", "2", *arguments, **options)

    def dvc(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        return self.run("dvc", *arguments, **options)

    def repro(self) -> None:
        """Run `dvc repro`, a second time if params.yaml asked for other stages at the first."""
        first = self.dvc("repro", check=False)
        if OTHER_STAGES in first.stderr:
            self.dvc("repro")
        else:
            assert first.returncode == 0, first.stdout + first.stderr

    def nothing_to_do(self) -> bool:
        """True if Snakemake would run nothing."""
        return "Nothing to be done" in self.snakemake("-n").stdout

    def clean_for_dvc(self) -> bool:
        """True if DVC would run nothing, or only the stage `code` (half a second)."""
        return set(json.loads(self.dvc("status", "--json").stdout)) <= {"code"}

    def commit(self, message: str = "state") -> None:
        self.run("git", "add", "-A")
        user = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        self.run("git", *user, "commit", "--quiet", "--allow-empty", "-m", message)

    def at(self, path: Path) -> "Checkout":
        """The checkout at `path`, with the same stand-ins and tools."""
        return Checkout(path, self.fake, self.tools)

    def copy(self, path: Path) -> "Checkout":
        """Copy the checkout in its state, with times of files and links into DVC's cache."""
        subprocess.run(["cp", "--archive", "--reflink=auto", self.path, path], check=True)
        return self.at(path)

    def steps(self) -> Counter[str]:
        """Numbers of steps that ran since the last call."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return Counter(line.split()[0] for line in lines)

    def targets(self) -> set[str]:
        """Paths made since the last call of `steps`."""
        return (
            {line.split()[1] for line in self.log.read_text().splitlines()}
            if self.log.exists()
            else set()
        )

    def set(self, key: str, value) -> None:
        """Edit params.yaml as a user would: one value, nothing else."""
        data = yaml.safe_load((self.path / "params.yaml").read_text())
        *parents, last = key.split(".")
        node = data
        for name in parents:
            node = node[name]
        node[last] = value
        (self.path / "params.yaml").write_text(yaml.safe_dump(data, sort_keys=False))

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace the first occurrence of `old`, which must exist, in a file."""
        text = (self.path / path).read_text()
        assert old in text
        (self.path / path).write_text(text.replace(old, new, 1))

    def md5(self, path: str) -> list[str]:
        """Digests of an output in dvc.lock."""
        lock = yaml.safe_load((self.path / "dvc.lock").read_text())["stages"]
        return [
            out["md5"] for stage in lock.values() for out in stage["outs"] if out["path"] == path
        ]

    def artifacts(self) -> dict[str, str]:
        """Content of everything that DVC tracks."""
        folders = [self.path / "data", self.path / "results"]
        paths = [path for folder in folders for path in sorted(folder.rglob("*"))]
        return {
            str(path.relative_to(self.path)): path.read_text() for path in paths if path.is_file()
        }


#: Two corpora, a feature of each modality, systems with a checkpoint, features and each other as
#: inputs: more would cost time and show no more.
CORPORA = ("meld", "ravdess")
FEATURES = {"bert": ["bert"], "audio": ["is13"], "clip": ["clip"]}
SYSTEMS = {
    "weighted_late_fusion": {"bert": ["text_bert_8", "text_bert_16"]},
    "joint_cnn": {
        "text": ["text_lstm"],
        "speech": ["speech_cnn"],
        "unimodal": ["unimodal_weighted"],
    },
}


def ask_for(path: Path, corpora: Sequence[str], **features: list[str]) -> None:
    """Let params.yaml at `path` ask for some features of `corpora` and a few systems only."""
    params = yaml.safe_load(path.read_text())
    params["run"]["corpora"] = list(corpora)
    for name in params["run"]["features"]:
        params["run"]["features"][name] = {
            "corpora": list(corpora) if name in features else [],
            "features": features.get(name, []),
        }
    for paper in params["papers"]:
        for stage, rows in params["run"][paper].items():
            if isinstance(rows, dict):
                systems = SYSTEMS.get(paper, {}).get(stage, [])
                rows |= {"corpora": ["meld"] if systems else [], "systems": systems}
    params["run"]["joint_cnn"] |= {"protocols": ["clean"]}
    params["papers"]["joint_cnn"]["features"] = {"text": "bert", "speech": "is13"}
    path.write_text(yaml.safe_dump(params, sort_keys=False))
    selection.write_matrix(path.parent, selection.axes(params, selection.stages_at(path.parent)))


def fresh(path: Path, fake: bool = True, tools: Path | None = None) -> Checkout:
    """A checkout of the project in which nothing was run; a fake one asks for fewer features."""
    for name in FILES:
        source, target = ROOT / name, path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(
                source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
            )
        else:
            shutil.copy(source, target)
    if fake:
        ask_for(path / "params.yaml", CORPORA, **FEATURES)
        (path / "src/merflow/warm.py").write_text("")  # stand-ins import nothing
    for folder in ("src", "workflow/lib"):  # once: commands in a checkout write no byte code
        compileall.compile_dir(path / folder, quiet=1)
    checkout = Checkout(path, fake, tools)
    checkout.run("git", "init", "--quiet")
    (path / ".dvc/tmp").mkdir()
    checkout.commit()
    return checkout


@pytest.fixture(scope="session")
def tools() -> Iterator[Path]:
    """Snakemake and DVC in forks of a process that has imported them."""
    with tempfile.TemporaryDirectory() as folder:  # short: a socket's path has at most 107 bytes
        forks.write_clients(Path(folder))
        one_thread = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        server = subprocess.Popen([sys.executable, forks.__file__, folder], env=one_thread)
        while not (Path(folder) / "socket").exists():
            assert server.poll() is None
            time.sleep(0.02)
        yield Path(folder)
        server.kill()
        server.wait()


@pytest.fixture(scope="session")
def fresh_fake(tmp_path_factory, tools) -> Checkout:
    """A checkout in which nothing was run; copy it with the fixture `clean`."""
    return fresh(tmp_path_factory.mktemp("fresh") / "checkout", tools=tools)


@pytest.fixture(scope="session")
def built(tmp_path_factory, tools) -> Path:
    """A checkout after a whole run, one for all workers; the fixture `checkout` copies it."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "built"
    with FileLock(f"{folder}.lock"):
        if not (folder / "checkout").exists():
            checkout = fresh(folder / "unfinished", tools=tools)
            checkout.snakemake()
            checkout.commit("built")
            checkout.steps()
            checkout.path.rename(folder / "checkout")
    return folder / "checkout"


@pytest.fixture
def checkout(built, tools, tmp_path) -> Checkout:
    """A checkout for one test in which everything is up to date for both tools."""
    return Checkout(built, tools=tools).copy(tmp_path / "checkout")


@pytest.fixture(scope="session")
def real_checkout():
    """Function that makes checkouts with the real steps."""
    return lambda path, tools=None: fresh(path, fake=False, tools=tools)


@pytest.fixture(scope="session")
def fake_checkout(tools):
    """Function that makes checkouts with stand-ins for steps."""
    return lambda path: fresh(path, tools=tools)


@pytest.fixture(scope="session")
def fewer_features():
    """Function that lets a params.yaml ask for some features only."""
    return ask_for


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory) -> Path:
    """A random checkpoint of a few thousand weights."""
    return save_tiny_bert(tmp_path_factory.mktemp("tiny") / "bert")


@pytest.fixture
def clean(fresh_fake, tmp_path) -> Checkout:
    """A checkout in which nothing was run."""
    return fresh_fake.copy(tmp_path / "checkout")
