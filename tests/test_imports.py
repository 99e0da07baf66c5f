"""Steps load no library that they do not use: each costs half a second to five."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from merflow import presets

HEAVY = (
    *("torch", "accelerate", "transformers", "sklearn", "scipy.stats", "matplotlib"),
    *("librosa", "opensmile", "cv2", "av", "pandas", "pandas.io.formats.style"),
)
#: Step -> its module, and libraries of HEAVY that it may load. `report` loads matplotlib late.
STEPS = {
    "score": ("merflow.evaluation.score", {"pandas"}),
    # av: counts of utterances are in the modules that read corpora
    "tables": ("merflow.tables.compare", {"pandas", "av"}),
    "sheet": ("merflow.tables.frame_sheet", {"pandas", "matplotlib"}),
    "report": ("merflow.tables.report", {"pandas"}),
    "gather": ("merflow.training.gather", {"pandas"}),
    "merge": ("merflow.features.extract", {"pandas"}),
    "assemble": ("merflow.media.step", {"pandas", "av", "cv2"}),
    "prepare": ("merflow.corpora.prepare", {"pandas", "av"}),
}


def loaded(program: str, folder: Path = ROOT) -> set[str]:
    """Libraries of HEAVY that a program loads in a process of its own."""
    code = f"import sys; {program}; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'workflow/lib'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("step", STEPS)
def test_a_step_loads_no_library_that_it_does_not_use(step):
    module, allowed = STEPS[step]
    assert loaded(f"import merflow.cli, {module}") <= allowed


@pytest.mark.parametrize("preset", ["demo", "paper"])
def test_the_snakefile_loads_no_heavy_library(tmp_path, preset):
    """Every start of Snakemake makes the plan, with digests of code and of downloads."""
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    (tmp_path / "params.yaml").write_text(presets.compose(preset, ROOT / "params"))
    assert loaded("from plan import Plan; Plan().code", tmp_path) == set()
