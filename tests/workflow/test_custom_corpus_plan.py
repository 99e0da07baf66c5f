"""Plan of a custom corpus: its folds and digests follow from its annotations."""

import shutil

import pytest
import yaml
from plan import Plan
from support import ROOT

from merflow import custom_corpus, presets
from merflow.errors import CorpusError

ROWS = [
    "clip,text,label,speaker,dialogue,split",
    *(f"{k}.wav,,{'joy' if k % 2 else 'anger'},{'abcd'[k // 3]},," for k in range(12)),
]


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """Function that makes a plan from the lines of the annotations."""
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    patch = custom_corpus.patch_of("mine", ["audio"], False, ROOT) | {
        "corpora": {"mine": {"source": "clips", "annotations": "mine.csv"}}
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(patch))
    (tmp_path / "params.yaml").write_text(
        presets.compose("demo", ROOT / "params", tmp_path / "mine.yaml")
    )

    def make(rows):
        (tmp_path / "mine.csv").write_text("\n".join(rows) + "\n")
        return Plan(tmp_path)

    return make


def slices(plan):
    """Parameters that Snakemake compares, of every stage but the last ones."""
    return {
        stage.address(point): stage.cfg(point)
        for stage in plan.stages.values()
        for point in stage.points
        if stage.name not in ("score", "tables", "report")
    }


def test_folds_are_as_many_as_the_annotations_allow(plan):
    assert plan(ROWS).folds("mine", "joint_cnn", "clean") == 4
    splits = ("train", "dev", "test")
    given = [ROWS[0], *(row + splits[k % 3] for k, row in enumerate(ROWS[1:]))]
    assert plan(given).folds("mine", "joint_cnn", "clean") == 1


def test_edited_annotations_make_prepare_stale_and_nothing_else(plan):
    before = slices(plan(ROWS))
    assert slices(plan(ROWS)) == before
    after = slices(plan([row.replace("0.wav,,anger", "0.wav,,rage") for row in ROWS]))
    changed = {stage for stage in before if before[stage] != after[stage]}
    assert changed == {"prepare_own@mine"}


def test_malformed_annotations_stop_before_the_first_job(plan):
    with pytest.raises(CorpusError, match=r"mine\.csv: 1 label \(joy\)"):
        plan([row.replace("anger", "joy") for row in ROWS]).write()
