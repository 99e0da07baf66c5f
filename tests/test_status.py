"""`merflow status` prints what it can, and each line says what is the case."""

import json
import os
import re
import subprocess
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
import yaml
from rich.console import Console
from support import ROOT

from merflow import artifacts, status, store
from merflow.errors import ParamsError
from merflow.params import CheckpointParams


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A folder of the project; no tool is asked."""
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.setattr(status, "_next_run", lambda _: "nothing to do")
    monkeypatch.setattr(status, "_problems", lambda *_: ["[x]: mend me"])
    return tmp_path


def shown(root: Path) -> str:
    out = StringIO()
    try:
        status.show(root, Console(file=out, width=900))
    except ParamsError as error:
        out.write(f"error: {error}\n")
    return out.getvalue()


def row(name: str, text: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(f"│ {name} ")]
    return line


def damaged(folder: Path, case: str) -> None:
    path = folder / "data/corpora/meld"
    if case == "no Parquet":
        (path / "utterances.parquet").write_text("text")
    elif case == "old columns":
        frame = pd.DataFrame({"utterance_id": ["a"]})
        frame.to_parquet(path / "utterances.parquet")
    elif case == "folder":
        (path / "utterances.parquet").unlink()
        (path / "utterances.parquet").mkdir()
    elif case == "no source":
        table = store.read_table(path / "utterances.parquet", artifacts.UTTERANCES)
        store.write_table(path / "utterances.parquet", table, artifacts.UTTERANCES, {})


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("no Parquet", "not a readable Parquet file"),
        ("old columns", "columns .* are missing; delete it and run again"),
        ("folder", "utterances.parquet"),
        ("no source", "delete .*meld and run again"),
    ],
)
def test_a_broken_corpus_leaves_the_rest_of_the_screen(root, make_corpus, case, message):
    make_corpus()
    damaged(root, case)
    text = shown(root)
    assert re.search(message, row("meld", text))
    assert "data/corpora/ravdess/utterances.parquet" in row("ravdess", text)
    for line in ("to mend [x]: mend me", "next run nothing to do", "room on disk", "report"):
        assert line in text


@pytest.mark.parametrize("content", [None, "", "x,y\n1,2\n", b"\xff\xfe\xe9"])
def test_defects_that_cannot_be_read_are_said_in_their_cell(root, make_corpus, content):
    path = make_corpus() / "defects.csv"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    line = row("meld", shown(root))
    assert "240" in line and "defects.csv cannot be read: delete" in line


def test_without_a_split_the_schemes_and_folds_are_named(root, make_corpus):
    path = make_corpus() / "utterances.parquet"
    table = store.read_table(path, artifacts.UTTERANCES).assign(official_split=None)
    store.write_table(path, table, artifacts.UTTERANCES, {"source": "folder"})
    assert "folds: official 1" in row("meld", shown(root))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("~/clips", "not read yet"),
        ("~/clips/", "not read yet"),
        ("~/file", "/file: a file, and a folder is needed"),
        ("~/none", "/none: no such folder"),
        ("~nobody_x/clips", "the folder of ~ is not known; write the whole path"),
        ("[red]clips", "[red]clips: no such folder"),
    ],
)
def test_a_folder_of_the_user_is_looked_up_as_a_run_does(root, monkeypatch, source, message):
    monkeypatch.setenv("HOME", str(root / "home"))
    (root / "home/clips").mkdir(parents=True)
    (root / "home/file").touch()
    values = yaml.safe_load((root / "params.yaml").read_text())
    values["corpora"]["meld"]["source"] = source
    (root / "params.yaml").write_text(yaml.safe_dump(values))
    assert message in row("meld", shown(root))


@pytest.mark.parametrize("content", ["", "[]", "{}", "{", '{"name": 1}'])
def test_a_broken_card_of_a_checkpoint_is_not_at_hand(tmp_path, content):
    card = tmp_path / "SOURCE.json"
    card.write_text(content)
    checkpoint = CheckpointParams(demo="clip")
    assert status._at_hand("clip", checkpoint, tmp_path, card).startswith("no, ")
    card.write_text(json.dumps({"name": "demo clip"}))
    assert status._at_hand("clip", checkpoint, tmp_path, card) == "yes"


def test_with_broken_params_the_rest_is_shown_first(root):
    (root / "params.yaml").write_bytes(b"# caf\xe9\n")
    text = shown(root)
    assert "room on disk" in text and "report" in text
    assert text.endswith("params.yaml, line 1: byte E9 is not UTF-8; save the file as UTF-8\n")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'NVIDIA H100'", "CPU cores, NVIDIA H100"),
        (
            "echo 'Failed to talk to the driver'; exit 9",
            "no usable GPU: nvidia-smi: Failed to talk",
        ),
        ("exit 9", "no usable GPU: nvidia-smi: no reason given"),
        ("true", "no GPU"),
    ],
)
def test_a_failing_driver_is_said(tmp_path, monkeypatch, script, message):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert message in status._device()


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            (
                "error: mine.csv: no such file\n",
                "Using workflow specific profile profiles/default\n",
            ),
            "cannot start: mine.csv: no such file",
        ),
        (("", ""), "cannot start: no reason given"),
    ],
)
def test_the_reason_of_a_run_that_cannot_start_is_shown(tmp_path, monkeypatch, output, message):
    done = subprocess.CompletedProcess([], 1, *output)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert status._next_run(tmp_path) == message


def test_an_environment_without_snakemake_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "is the environment active?" in status._next_run(tmp_path)
