"""The benchmarks that stand for runs nobody can make here: they run, small, and count what the parameters ask for."""

import json
import subprocess
import sys
from importlib import import_module

import pytest
from support import ROOT

from merflow.registry import PAPERS
from merflow.systems import System


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> list[dict]:
    out = tmp_path_factory.mktemp("paper_scale")
    command = [sys.executable, "benchmarks/paper_scale.py", "--small", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads((out / "table.json").read_text())
    total = (out / "table.md").read_text().splitlines()[-1]
    assert total.split("|")[-2].strip() == f"{sum(row['hours'] for row in rows):,.1f}"
    return rows


def test_paper_scale_trains_every_system_that_is_trained(table):
    expected = {
        (paper, name)
        for paper in PAPERS
        for name, row in import_module(PAPERS[paper]).SYSTEMS.items()
        if isinstance(row, System)
    }
    assert {(row["paper"], row["system"]) for row in table} == expected
    assert all(row["epoch_s"] > 0 and row["memory_gb"] > 0 for row in table)


def test_paper_scale_counts_runs_of_all_protocols(table):
    """Folds times seeds of the demo: ten folds and five sessions with one seed each; the official parts with one and with two seeds."""
    runs = {(row["paper"], row["system"], row["corpus"]): row["runs"] for row in table}
    assert runs["deepmsi_mer", "audio", "iemocap"] == 10 + 5
    assert runs["weighted_late_fusion", "text_bert_16", "meld"] == 1 + 2
    (row,) = [
        row
        for row in table
        if (row["paper"], row["system"], row["corpus"])
        == ("weighted_late_fusion", "text_bert_16", "meld")
    ]
    assert row["train"] == 9989
    expected = 3 * row["epochs"] * row["epoch_s"] / 3600
    assert row["hours"] == pytest.approx(
        expected, rel=1e-3
    )  # nothing is fitted to its input, which takes next to no time
