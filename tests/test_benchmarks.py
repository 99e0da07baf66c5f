"""paper_scale.py stands for runs that nobody can make here: it runs, small, and counts all runs."""

import json
import subprocess
import sys
from importlib import import_module

import pytest
from support import ROOT

from merflow.registry import PAPERS
from merflow.systems import System


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> list[dict]:
    """Rows of table.json, whose total in table.md is checked."""
    out = tmp_path_factory.mktemp("paper_scale")
    command = [sys.executable, "benchmarks/paper_scale.py", "--small", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads((out / "table.json").read_text())
    last_line = (out / "table.md").read_text().splitlines()[-1]
    assert last_line.split("|")[-2].strip() == f"{sum(row['hours'] for row in rows):,.1f}"
    return rows


@pytest.mark.nightly  # a minute: it trains all networks
def test_paper_scale_trains_every_trained_system(rows):
    expected = {
        (paper, name)
        for paper in PAPERS
        for name, system in import_module(PAPERS[paper]).SYSTEMS.items()
        if isinstance(system, System)
    }
    assert {(row["paper"], row["system"]) for row in rows} == expected
    assert all(row["epoch_s"] > 0 and row["memory_gb"] > 0 for row in rows)


@pytest.mark.nightly
def test_paper_scale_counts_runs_of_all_protocols(rows):
    """Folds times seeds of the demo.

    Ten folds and five sessions have one seed each, the official splits two seeds.
    """
    by_name = {(row["paper"], row["system"], row["corpus"]): row for row in rows}
    assert by_name["deepmsi_mer", "audio", "iemocap"]["runs"] == 10 + 5
    row = by_name["weighted_late_fusion", "text_bert_16", "meld"]
    assert row["runs"] == 2 + 2
    assert row["train"] == 9989
    # no transformer is fitted to the input, so epochs take all the time
    expected = 4 * row["epochs"] * row["epoch_s"] / 3600
    assert row["hours"] == pytest.approx(expected, rel=1e-3)
