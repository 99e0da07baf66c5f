"""Steps that run again after every change of a result load no library that they do not use: each costs half a second to five."""

import json
import subprocess
import sys

import pytest

HEAVY = (
    *("torch", "accelerate", "transformers", "sklearn", "scipy.stats", "matplotlib"),
    *("librosa", "opensmile", "cv2", "av", "pandas", "pandas.io.formats.style"),
)
#: Step -> its module, and what of HEAVY it may load. `report` loads matplotlib once a picture is new.
STEPS = {
    "score": ("merflow.evaluation.score", {"pandas"}),
    "tables": (
        "merflow.tables.compare",
        {"pandas", "av"},
    ),  # av: counts of the corpora stand beside their readers
    "sheet": ("merflow.tables.frame_sheet", {"pandas", "matplotlib"}),
    "report": ("merflow.tables.report", {"pandas"}),
    "gather": ("merflow.training.gather", {"pandas"}),
    "merge": ("merflow.features.extract", {"pandas"}),
    "assemble": ("merflow.media.step", {"pandas", "av", "cv2"}),
    "prepare": ("merflow.corpora.prepare", {"pandas", "av"}),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_loads_no_library_that_it_does_not_use(step):
    module, allowed = STEPS[step]
    program = f"import json, sys, merflow.cli, {module}; print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert set(json.loads(done.stdout)) <= allowed
