"""Files for DVC: scores of the step ``score``, unrounded."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from support import REPORTED, ROOT
from support.score_tables import comparison_of, joined

from merflow.tables.dvc_files import files
from merflow.tables.reported import load

PAPER = "weighted_late_fusion"
THIRD = 1 / 3


@pytest.fixture
def written(make_scores):
    """Files of two systems under clean, one of them also as published."""

    def make(**changes):
        figures = {"text_bert_8": {"all": THIRD}, "late_fusion": {"all": 0.7}}
        scores = joined(
            make_scores(figures | changes, PAPER, "meld"),
            make_scores({"text_bert_8": {"all": 0.6}}, PAPER, "meld", "as_published"),
        )
        return files([comparison_of(PAPER, "meld", load(REPORTED, PAPER), scores)])

    return make


def test_metrics_are_main_metrics_in_full_precision(written):
    metrics = json.loads(written()["metrics.json"])
    clean = {"text_bert_8": {"weighted_f1": THIRD}, "late_fusion": {"weighted_f1": 0.7}}
    published = {"text_bert_8": {"weighted_f1": 0.6}}
    assert metrics == {PAPER: {"meld": {"as_published": published, "clean": clean}}}


def test_plots_are_of_clean_and_of_both_protocols(written):
    plots = {
        name.removeprefix("plots/"): pd.read_csv(io.StringIO(text))
        for name, text in written().items()
        if name.endswith(".csv")
    }
    assert plots["meld.csv"].values.tolist() == [
        [f"{PAPER}/late_fusion", "weighted_f1", 0.7],
        [f"{PAPER}/text_bert_8", "weighted_f1", THIRD],
    ]
    both = ["meld", f"{PAPER}/text_bert_8", "weighted_f1", 0.6, THIRD]
    assert plots["protocols.csv"].values.tolist() == [both]
    assert plots["iemocap.csv"].empty


@pytest.fixture
def checkout(tmp_path):
    """Runner of commands in a folder with the metrics and plots of dvc.yaml, and a writer."""
    private = ("DVC_", "GIT_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(private)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"

    def run(*command):
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout

    def write(content):
        for name, text in content.items():
            path = tmp_path / "results/tables" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    declared = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    shown = {key: declared[key] for key in ("metrics", "plots")}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump(shown))
    return run, write


def test_dvc_shows_and_compares_them(checkout, written):
    run, write = checkout
    write(written())
    for command in (("git", "init", "-q"), ("dvc", "init", "-q"), ("git", "add", "-A")):
        run(*command)
    run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "before")
    write(written(late_fusion={"all": 0.75}))
    changed = json.loads(run("dvc", "metrics", "diff", "--json"))["results/tables/metrics.json"]
    key = f"{PAPER}.meld.clean.late_fusion.weighted_f1"
    assert list(changed) == [key]
    assert (changed[key]["old"], changed[key]["new"]) == (0.7, 0.75)
    plots = json.loads(run("dvc", "plots", "show", "--json"))
    rows = plots["data"]["MELD, clean"][0]["content"]["data"]["values"]
    scores = {row["system"]: float(row["score"]) for row in rows}
    assert scores == {f"{PAPER}/late_fusion": 0.75, f"{PAPER}/text_bert_8": THIRD}
    assert "Protocol gap" in plots["data"] and not plots.get("errors")
