"""The command line: bad input is one line and exit status 1, and earlier artifacts stay whole."""

import errno
import json
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from merflow import presets, start
from merflow.main import main
from merflow.params import PapersParams
from merflow.selection import MATRIX

HEADER = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,"
    "Season,Episode,StartTime,EndTime\n"
)
GOOD = '1,"Oh, hi!",Ross,joy,positive,0,0,1,1,"00:00:01,000","00:00:02,500"\n'


def merflow(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    """Run the command line in this process, which has imported what the command needs."""
    out, err = StringIO(), StringIO()
    with (
        chdir(cwd),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(SystemExit) as end,
    ):
        patch.setattr(sys, "argv", ["merflow", *arguments])
        main()
    return subprocess.CompletedProcess(
        arguments, end.value.code or 0, out.getvalue(), err.getvalue()
    )


def annotations(folder: Path, **changed: str | bytes | None) -> None:
    """Write MELD's annotation files of four utterances each, enough for ten folds.

    Args:
        folder: to write to.
        changed: split -> content of its file; None: no file.
    """
    folder.mkdir(exist_ok=True)
    for split in ("train", "dev", "test"):
        text = changed.get(
            split, HEADER + "".join(GOOD.replace(",0,0,", f",0,{turn},") for turn in range(4))
        )
        (folder / f"{split}_sent_emo.csv").unlink(missing_ok=True)
        if text is not None:
            (folder / f"{split}_sent_emo.csv").write_bytes(
                text if isinstance(text, bytes) else text.encode()
            )


def prepare(root: Path) -> subprocess.CompletedProcess:
    params = json.dumps({"corpora.meld": {"source": "folder"}, "code": "x"})
    return merflow(
        "prepare",
        "meld",
        "--params",
        params,
        "--raw",
        "raw/SOURCE.json",
        "--out",
        "corpora/meld/utterances.parquet",
        cwd=root,
    )


@pytest.fixture
def prepared(tmp_path):
    annotations(tmp_path / "raw")
    assert prepare(tmp_path).returncode == 0
    return tmp_path


BAD = {
    "a missing column": (
        {"dev": (HEADER + GOOD).replace("Emotion", "Emotions")},
        "dev_sent_emo.csv: no column Emotion",
    ),
    "an unknown emotion": (
        {"test": HEADER + GOOD.replace("joy", "glee")},
        "test_sent_emo.csv, line 2: unknown emotion 'glee'; known: neutral",
    ),
    "an utterance twice": (
        {"train": HEADER + GOOD + GOOD},
        "train_sent_emo.csv, line 3: Dialogue_ID 0, Utterance_ID 0 stands in an earlier",
    ),
    "a broken time": (
        {"train": HEADER + GOOD.replace("00:00:01,000", "00:61")},
        "train_sent_emo.csv, line 2: time '00:61' is not HH:MM:SS,mmm",
    ),
    "a wrong encoding": (
        {"train": (HEADER + GOOD.replace("hi", "h\u00ef")).encode("latin-1")},
        "train_sent_emo.csv, line 2: not UTF-8",
    ),
    "an empty split": ({"dev": HEADER}, "dev_sent_emo.csv: no utterances in it"),
    "a corpus that lacks half": ({"test": None, "dev": None}, "dev_sent_emo.csv is missing"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_corpus_is_one_line_and_spares_earlier_artifacts(prepared, case):
    changed, message = BAD[case]
    before = {path: path.read_bytes() for path in (prepared / "corpora/meld").iterdir()}
    annotations(prepared / "raw", **changed)
    done = prepare(prepared)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert message in line
    assert "Traceback" not in done.stderr
    assert {path: path.read_bytes() for path in (prepared / "corpora/meld").iterdir()} == before


@pytest.mark.parametrize(
    ("corpus", "source", "message"),
    [
        ("iemocap", "official", "corpora.iemocap.source"),
        ("meld", "/no/such/folder", "/no/such/folder"),
    ],
)
def test_a_corpus_that_is_not_available_says_what_to_do(tmp_path, corpus, source, message):
    values = json.dumps({f"corpora.{corpus}.source": source, "code": "x"})
    done = merflow(
        "fetch",
        corpus,
        "--params",
        values,
        "--scratch",
        "scratch",
        "--out",
        f"raw/{corpus}/SOURCE.json",
        cwd=tmp_path,
    )
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith("error: ") and message in line
    assert not (tmp_path / "raw" / corpus).exists()


def test_params_refuses_to_overwrite_an_edited_file(tmp_path):
    root = Path(__file__).parents[1]
    for name in ("params", "dvc.yaml", "Snakefile"):
        (tmp_path / name).symlink_to(root / name)
    assert merflow("params", "demo", cwd=tmp_path).returncode == 0
    path = tmp_path / "params.yaml"
    assert path.read_text() == presets.compose("demo", root / "params")
    # from one preset to the other nothing is lost
    assert merflow("params", "paper", cwd=tmp_path).returncode == 0
    chosen = merflow(
        "params",
        "paper",
        "--corpora",
        "ravdess",
        "--corpora",
        "iemocap",
        "--papers",
        "joint_cnn",
        cwd=tmp_path,
    )
    assert chosen.stdout == "params.yaml is now the paper preset: ravdess, iemocap; joint_cnn\n"
    assert json.loads((tmp_path / MATRIX).read_text())["axes"]["corpora"] == ["ravdess", "iemocap"]
    assert merflow("params", "paper", cwd=tmp_path).returncode == 0
    path.write_text(path.read_text() + "# mine\n")
    done = merflow("params", "demo", cwd=tmp_path)
    assert done.returncode == 1
    assert (
        done.stderr
        == "error: params.yaml differs from both presets: it was edited, or a preset has changed;"
        " keep your copy, or add --force to overwrite it\n"
    )
    assert path.read_text().endswith("# mine\n")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (
            ["--corpora", "mled"],
            "run.corpora: mled has no block under corpora; known: meld, iemocap, mosei, ravdess",
        ),
        (
            ["--papers", "joint_cn"],
            f"run.papers: joint_cn is none of {', '.join(PapersParams.model_fields)}",
        ),
        (
            ["--corpora", "mosei", "--papers", "joint_cnn"],
            "run: no system of joint_cnn is asked for on mosei: nothing is left",
        ),
    ],
)
def test_an_impossible_filter_is_one_line_and_writes_nothing(tmp_path, chosen, message):
    for name in ("params", "dvc.yaml", "Snakefile"):
        (tmp_path / name).symlink_to(Path(__file__).parents[1] / name)
    done = merflow("params", "paper", *chosen, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, f"error: the paper preset: {message}\n")
    assert not (tmp_path / "params.yaml").exists()


def test_status_without_params_says_what_to_do(tmp_path):
    for name in ("Snakefile", "dvc.yaml"):
        (tmp_path / name).symlink_to(Path(__file__).parents[1] / name)
    command = [Path(sys.executable).with_name("merflow"), "status"]  # as users start it
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "error: params.yaml: no such file; make it with `merflow params demo`\n",
    )
    assert "room on disk" in done.stdout and "to mend" in done.stdout


@pytest.mark.parametrize(
    "command", [["status"], ["stores"], ["own", "mine", "clips"], ["params", "demo"]]
)
def test_another_folder_is_refused_and_the_right_one_named(tmp_path, command):
    below = tmp_path / "project/notes"
    below.mkdir(parents=True)
    for name in ("Snakefile", "dvc.yaml"):
        (below.parent / name).touch()
    done = merflow(*command, cwd=below)
    assert done.returncode == 1
    assert f"run this in the project's folder: `cd {below.parent}`" in done.stderr
    assert "run this in the project's folder" in merflow(*command, cwd=tmp_path).stderr
    assert not list(below.iterdir())


def test_an_error_of_the_system_is_one_line(tmp_path, monkeypatch):
    def lost(*_, **__):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), "data/x.parquet")

    monkeypatch.setattr("merflow.preconditions.check_folder", lost)
    done = merflow("stores", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        1,
        "error: data/x.parquet: the network file system has lost the file; run again\n",
    )
    monkeypatch.setenv("MERFLOW_TRACEBACK", "1")
    with pytest.raises(OSError, match="Stale"), chdir(tmp_path):
        monkeypatch.setattr(sys, "argv", ["merflow", "stores"])
        main()


@pytest.mark.parametrize("reader", ["true", "head -0", "cat > /dev/full"])
def test_a_reader_that_ends_early_sees_no_traceback(tmp_path, reader):
    for name in ("Snakefile", "dvc.yaml"):
        (tmp_path / name).touch()
    command = f"{Path(sys.executable).with_name('merflow')} stores | {reader}"
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def test_an_interrupt_ends_with_130_and_no_traceback(tmp_path, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("merflow.start._run", interrupted)
    with pytest.raises(SystemExit) as end:
        start.main()
    assert end.value.code == 130


def test_tables_start_without_torch():
    imports = "from merflow import cli; from merflow.tables import compare, report"
    code = f"import sys; {imports}; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"
