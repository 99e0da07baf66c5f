"""What DVC shows of scores is what is in scores.parquet, unrounded."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from support import ROOT

from merflow.tables.comparison import Comparison
from merflow.tables.dvc_files import files
from merflow.tables.reported import load

THIRD = 1 / 3


@pytest.fixture
def written(make_scores):
    def make(**changes):
        about = {"paper": "weighted_late_fusion", "corpus": "meld"}
        clean = make_scores(
            {"text_bert_8": {"all": THIRD}, "late_fusion": {"all": 0.7}} | changes, **about
        )
        published = make_scores({"text_bert_8": {"all": 0.6}}, **about, protocol="as_published")
        return files(
            [
                Comparison(
                    "weighted_late_fusion",
                    "meld",
                    load(ROOT / "reported", "weighted_late_fusion"),
                    pd.concat([clean, published]),
                    0.95,
                )
            ]
        )

    return make


def test_metrics_are_the_main_measure_of_each_system_in_full_precision(written):
    metrics = json.loads(written()["metrics.json"])
    clean = {"text_bert_8": {"weighted_f1": THIRD}, "late_fusion": {"weighted_f1": 0.7}}
    assert metrics == {
        "weighted_late_fusion": {
            "meld": {"as_published": {"text_bert_8": {"weighted_f1": 0.6}}, "clean": clean}
        }
    }


def test_plots_are_of_clean_and_of_both_protocols(written):
    plots = {
        name: pd.read_csv(io.StringIO(text))
        for name, text in written().items()
        if name.endswith(".csv")
    }
    assert plots["plots/meld.csv"].values.tolist() == [
        ["weighted_late_fusion/late_fusion", "weighted_f1", 0.7],
        ["weighted_late_fusion/text_bert_8", "weighted_f1", THIRD],
    ]
    assert plots["plots/protocols.csv"].values.tolist() == [
        ["meld", "weighted_late_fusion/text_bert_8", "weighted_f1", 0.6, THIRD]
    ]
    assert plots["plots/iemocap.csv"].empty


def test_dvc_shows_and_compares_them(tmp_path, written):
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "GIT_"))
    }
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
    (tmp_path / "dvc.yaml").write_text(
        yaml.safe_dump({key: declared[key] for key in ("metrics", "plots")})
    )
    write(written())
    for command in (("git", "init", "-q"), ("dvc", "init", "-q"), ("git", "add", "-A")):
        run(*command)
    run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "before")
    write(written(late_fusion={"all": 0.75}))
    changed = json.loads(run("dvc", "metrics", "diff", "--json"))["results/tables/metrics.json"]
    key = "weighted_late_fusion.meld.clean.late_fusion.weighted_f1"
    assert list(changed) == [key] and (changed[key]["old"], changed[key]["new"]) == (0.7, 0.75)
    plots = json.loads(run("dvc", "plots", "show", "--json"))
    values = plots["data"]["MELD, clean"][0]["content"]["data"]["values"]
    assert {one["system"]: float(one["score"]) for one in values} == {
        "weighted_late_fusion/late_fusion": 0.75,
        "weighted_late_fusion/text_bert_8": THIRD,
    }
    assert set(plots["data"]) >= {"Protocol gap"} and not plots.get("errors")
