"""Kill a small real run again and again, resume it, and compare its artifacts with an unbroken run.

Each attempt is `snakemake` in a clone. After a random number of processes (jobs, and the hand-over
to DVC) and a random pause, the whole tree of processes is sent SIGKILL, processes that left the
session included. When the pipeline is through, its artifacts are compared with an unbroken run, and
the next round starts from nothing. A second unbroken run, at the end, says what differs between two
unbroken runs.

    python benchmarks/crash.py --kills 100 --folder /tmp/crash --out crash.md
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil
import yaml

ROOT = Path(__file__).parents[1]
#: Suffix of an artifact -> seconds in it. Nothing else of it may differ between two runs.
SECONDS = {
    ".json": re.compile(r'"(?:wall_s|clip_s)": [\d.e-]+'),  # run.json
    ".html": re.compile(  # tables of the report
        r'<figure class="table" id="(?:cost|runs-[^"]*)".*?</figure>'
        r"|<dd>[\d.]+ s, all runs together</dd>",
        re.DOTALL,
    ),
}
STEPS = (
    "fetch",
    "prepare",
    "checkpoint",
    "decode",
    "assemble",
    "extract",
    "merge",
    "train",
    "gather",
    "score",
    "tables",
    "sheet",
    "report",
)
HAND_OVER = {
    "commit": "dvc commit",
    "status": "dvc status",
    "--touch": "snakemake --touch",
    "--summary": "snakemake --summary",
}
PLANNING = "planning"


def ask_for_little(path: Path) -> None:
    """Let params.yaml at `path` ask for one corpus, three features and four small systems."""
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    run, features = params["run"], {"bert": ["bert"], "audio": ["is13"], "clip": ["clip_emotion"]}
    run["corpora"] = ["meld"]
    run["features"] = {
        name: {"corpora": ["meld"] if name in features else [], "features": features.get(name, [])}
        for name in run["features"]
    }
    systems = {
        "joint_cnn": {"text": "text_lstm", "speech": "speech_cnn", "unimodal": "unimodal_weighted"},
        "weighted_late_fusion": {"video": "video_clip"},
    }
    for paper in params["papers"]:
        run[paper]["protocols"] = ["clean"]
        for stage, block in run[paper].items():
            if isinstance(block, dict):
                system = systems.get(paper, {}).get(stage)
                corpora = ["meld"] if system else []
                block |= {"corpora": corpora, "systems": [system] if system else []}
    paper = params["papers"]["joint_cnn"]
    paper["features"] = {"text": "bert", "speech": "is13"}
    for system in ("text_lstm", "speech_cnn"):
        paper["systems"][system]["training"]["epochs"] = 3
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def clone(path: Path) -> None:
    """Clone this checkout's last commit and let it ask for little.

    Its dvc.lock, of other parameters, keeps the stages of the one corpus alone: DVC reads and
    writes the whole file for each commit.
    """
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(path)], check=True)
    ask_for_little(path / "params.yaml")
    lock = yaml.safe_load((path / "dvc.lock").read_text(encoding="utf-8"))
    lock["stages"] = {
        name: stage
        for name, stage in lock["stages"].items()
        if "@" not in name or re.search("@(meld|bert|clip)", name)
    }
    (path / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False), encoding="utf-8")


def start(path: Path, cores: int) -> subprocess.Popen:
    with (path.with_name(f"{path.name}.log")).open("a", encoding="utf-8") as log:
        return subprocess.Popen(
            ["snakemake", "--cores", str(cores)],
            cwd=path,
            env=os.environ | {"PYTHONPATH": str(path / "src"), "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def tree(pid: int) -> list[psutil.Process]:
    """A process and its descendants."""
    with contextlib.suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    return []


def kill(processes: Sequence[psutil.Process]) -> None:
    """Send SIGKILL to all at once and wait until they have ended."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=30)


def work_of(process: psutil.Process) -> str | None:
    """Step that a process runs, or its share of the hand-over to DVC."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return None
    names = [Path(word).name for word in words[:3]]
    if "merflow" in names:
        return next((word for word in words if word in STEPS), None)
    if "dvc" in names or "snakemake" in names:
        return next((label for word, label in HAND_OVER.items() if word in words), None)
    return None


def break_off(run: subprocess.Popen, chance: random.Random, kills: Counter) -> list[str] | None:
    """Kill `run` at a random moment; return the steps at work, None if the run ended before.

    One time in four the moment lies in the step with the fewest kills so far, so that each step has
    its share.
    """
    rarest = (
        min((*STEPS, *HAND_OVER.values()), key=lambda step: (kills[step], chance.random()))
        if chance.random() < 0.25
        else None
    )
    after, pause = chance.choice([0, 1, 1, 2, 3, 4]), chance.uniform(0, 3)
    if after == 0:
        pause *= 3  # planning takes longer than most jobs
    begun: set[int] = set()
    due = None
    while run.poll() is None:
        at_work = {process.pid: work for process in tree(run.pid)[1:] if (work := work_of(process))}
        begun |= set(at_work)
        if due is None and (rarest in at_work.values() if rarest else len(begun) >= after):
            due = time.monotonic() + (pause / 3 if rarest else pause)
        if due is not None and time.monotonic() >= due and run.poll() is None:
            processes = tree(run.pid)
            doing = sorted({work for process in processes[1:] if (work := work_of(process))})
            kill(processes)
            run.wait()
            return doing or [PLANNING]
        time.sleep(0.05)
    return None


def contents(path: Path) -> dict[str, str]:
    """Digest of every artifact, without the seconds in it."""
    digests = {}
    for folder in ("data", "results"):
        for file in sorted((path / folder).rglob("*")):
            if file.is_file() and file.relative_to(path).parts[:2] != ("data", "digests"):
                content = file.read_bytes()
                if file.suffix in SECONDS:
                    content = SECONDS[file.suffix].sub("", content.decode()).encode()
                digests[str(file.relative_to(path))] = hashlib.sha256(content).hexdigest()
    return digests


def differing(first: dict[str, str], second: dict[str, str]) -> list[str]:
    """Paths that one of two runs lacks, or whose digests differ."""
    paths = first.keys() | second.keys()
    return sorted(path for path in paths if first.get(path) != second.get(path))


def unsettled(path: Path) -> list[str]:
    """Work that a finished run left to do."""
    left = []
    dry = subprocess.run(
        ["snakemake", "-n"],
        cwd=path,
        env=os.environ | {"PYTHONPATH": str(path / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    if "Nothing to be done" not in dry.stdout:
        left.append("snakemake has something to do")
    status = subprocess.run(
        ["dvc", "status", "--json"], cwd=path, capture_output=True, text=True, check=False
    )
    if status.returncode or not set(json.loads(status.stdout)) <= {"code"}:
        left.append(f"dvc status: {status.stdout.strip()[:200]}{status.stderr.strip()[-200:]}")
    left += [f"lock {lock.relative_to(path)}" for lock in (path / ".snakemake/locks").glob("*")]
    marks = (path / ".snakemake/incomplete").rglob("*")
    left += [f"mark {mark.name}" for mark in marks if mark.is_file()]
    return left


def finished(log: Path) -> Counter[str]:
    """Number of finished jobs in Snakemake's log, by rule."""
    text = log.read_text(encoding="utf-8")
    return Counter(re.findall(r"^Finished jobid: \d+ \(Rule: (\w+)\)", text, re.MULTILINE))


def unbroken(path: Path, cores: int) -> float:
    """Run the pipeline in one go, unless a run is there; return its seconds."""
    note = path.with_name(f"{path.name}.seconds")
    if not note.exists():
        shutil.rmtree(path, ignore_errors=True)
        clone(path)
        began = time.monotonic()
        if start(path, cores).wait():
            sys.exit(f"error: the unbroken run failed; see {path.with_name(f'{path.name}.log')}")
        note.write_text(str(time.monotonic() - began), encoding="utf-8")
    return float(note.read_text(encoding="utf-8"))


def report(
    kills: Counter,
    total: int,
    rounds: list[dict],
    seconds: float,
    twice: list[str] | None,
    seed: int,
) -> str:
    """The table, as Markdown."""
    lines = ["| at work when killed | kills |", "|---|---|"]
    lines += [f"| {step} | {kills[step]} |" for step in (PLANNING, *STEPS, *HAND_OVER.values())]
    again = sum((Counter(result["again"]) for result in rounds), Counter())
    wrong = [
        f"round {number}: {text}"
        for number, result in enumerate(rounds, 1)
        for text in result["wrong"]
    ]
    whole_runs = "not run yet" if twice is None else ", ".join(twice) or "none"
    lines += [
        "",
        f"{total} kills in {len(rounds)} rounds (seed {seed}; two jobs at once count for both).",
        f"An unbroken run took {seconds:.0f} s.",
        f"Differences to the unbroken run: {len(wrong) or 'none'}."
        f" Finished jobs that ran again: {dict(again) or 'none'}.",
        f"Differences between two unbroken runs: {whole_runs}.",
        *wrong,
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="smallest number of kills")
    parser.add_argument("--seed", type=int, default=1, help="seed of the moments")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("/tmp/merflow-crash"),
        help="scratch folder; unbroken runs in it are used again",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("crash.md"),
        help="file of the table; written anew after each round",
    )
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    chance, kills, rounds, total = random.Random(arguments.seed), Counter(), [], 0
    seconds = unbroken(arguments.folder / "whole", arguments.cores)
    whole, jobs = contents(arguments.folder / "whole"), finished(arguments.folder / "whole.log")
    print(f"unbroken: {seconds:.0f} s, {sum(jobs.values())} jobs, {len(whole)} files", flush=True)
    broken, log = arguments.folder / "broken", arguments.folder / "broken.log"
    while total < arguments.kills:
        shutil.rmtree(broken, ignore_errors=True)
        log.unlink(missing_ok=True)
        clone(broken)
        while True:
            run = start(broken, arguments.cores)
            if (doing := break_off(run, chance, kills)) is None:
                break
            kills.update(doing)
            total += 1
            print(f"kill {total}: {', '.join(doing)}", flush=True)
        wrong = [f"snakemake ended with {run.returncode}"] if run.returncode else []
        wrong += [f"{path} differs" for path in differing(whole, contents(broken))]
        wrong += unsettled(broken)
        rounds.append({"wrong": wrong, "again": finished(log) - jobs})
        arguments.out.write_text(
            report(kills, total, rounds, seconds, None, arguments.seed), encoding="utf-8"
        )
        again = dict(rounds[-1]["again"])
        result = f"wrong: {wrong or 'nothing'}, again: {again}"
        print(f"round {len(rounds)}: {total} kills so far, {result}", flush=True)
        if wrong:
            shutil.copy(log, arguments.out.with_suffix(f".{len(rounds)}.log"))
    unbroken(arguments.folder / "again", arguments.cores)
    twice = differing(whole, contents(arguments.folder / "again"))
    arguments.out.write_text(
        report(kills, total, rounds, seconds, twice, arguments.seed), encoding="utf-8"
    )
    sys.exit(any(result["wrong"] for result in rounds))


if __name__ == "__main__":
    main()
