"""Filters of params.yaml: axes hold what is selected, and what a selected system needs."""

import copy
import json
import re

import pytest
import yaml
from support import ROOT

from merflow import selection
from merflow.errors import ParamsError

PAPER = yaml.safe_load((ROOT / "params/paper.yaml").read_text(encoding="utf-8"))
STAGES = selection.stages_at(ROOT)
ALL = {"corpora": ["meld", "iemocap", "mosei", "ravdess"], "papers": list(PAPER["papers"])}


def selected(**filters):
    """Axes of the paper preset with filters, without empty ones; systems as <paper>.<group>."""
    axes = selection.axes(PAPER | {"run": PAPER["run"] | filters}, STAGES)
    groups = {
        f"{paper}.{group}": axis
        for paper, block in axes.pop("papers").items()
        for group, axis in block.items()
    }
    features = {name: axis for name, axis in axes.pop("features").items() if axis["corpora"]}
    return axes | {
        "features": features,
        "systems": {name: axis["corpora"] for name, axis in groups.items() if axis["corpora"]},
    }


def test_without_filters_everything_listed_is_selected():
    axes = selection.axes(PAPER, STAGES)
    assert axes["corpora"] == axes["media"] == ALL["corpora"]
    assert axes["checkpoints"] == list(PAPER["checkpoints"])
    assert axes["features"] == PAPER["run"]["features"]
    for paper, groups in axes["papers"].items():
        run = PAPER["run"][paper]
        assert groups == {group: run[group] | {"protocols": run["protocols"]} for group in groups}


CASES = [
    pytest.param(
        {"corpora": ["ravdess"], "papers": ["joint_cnn"]},
        {
            "corpora": ["ravdess"],
            "media": ["ravdess"],
            "checkpoints": [],
            "systems": {"joint_cnn.speech": ["ravdess"]},
        },
        {"audio": {"corpora": ["ravdess"], "features": ["is13"]}},
        id="a corpus and a paper",
    ),
    pytest.param(
        {"corpora": ["ravdess"], "papers": ALL["papers"]},
        {
            "corpora": ["ravdess"],
            "media": ["ravdess"],
            "checkpoints": [],
            "systems": {"joint_cnn.speech": ["ravdess"]},
        },
        {
            "audio": {
                "corpora": ["ravdess"],
                "features": PAPER["run"]["features"]["audio"]["features"],
            }
        },
        id="a corpus with all papers has all of its features",
    ),
    pytest.param(
        {"corpora": ALL["corpora"], "papers": ["class_weight_lstm"]},
        {"corpora": ["mosei"], "media": [], "checkpoints": []},
        {"sequences": {"corpora": ["mosei"], "features": ["covarep", "facet", "glove_aligned"]}},
        id="a paper with published features needs no decoded clips",
    ),
    pytest.param(
        {"corpora": ["meld", "ravdess"], "papers": ["joint_cnn", "mel_cnn_bert"]},
        {
            "corpora": ["meld", "ravdess"],
            "media": ["meld", "ravdess"],
            "checkpoints": ["bert", "fasttext"],
        },
        {
            "bert": {"corpora": ["meld"], "features": ["bert_mean"]},
            "fasttext": {"corpora": ["meld"], "features": ["fasttext"]},
            "audio": {"corpora": ["meld", "ravdess"], "features": ["is13", "mel"]},
        },
        id="what one of two papers needs",
    ),
    pytest.param(
        {"corpora": ["meld"], "papers": ["weighted_late_fusion"]},
        {
            "corpora": ["meld"],
            "media": ["meld"],
            "checkpoints": ["bert", "roberta", "wav2vec2_emotion", "clip"],
        },
        {
            "roberta": {"corpora": ["meld"], "features": ["roberta_mean"]},
            "wav2vec2_emotion": {"corpora": ["meld"], "features": ["wav2vec2_emotion"]},
            "clip": {"corpora": ["meld"], "features": ["clip_emotion", "clip_emotion_crop"]},
        },
        id="checkpoints of systems and of features",
    ),
]


@pytest.mark.parametrize(("filters", "expected", "features"), CASES)
def test_filters_select_what_the_systems_need(filters, expected, features):
    axes = selected(**filters)
    assert axes["features"] == features
    assert {key: axes[key] for key in expected} == expected


def test_what_is_switched_off_has_empty_axes():
    params = copy.deepcopy(PAPER)
    params["run"]["joint_cnn"]["late"]["systems"] = []
    params["run"]["features"]["face"]["corpora"] = []
    axes = selection.axes(params, STAGES)
    assert axes["papers"]["joint_cnn"]["late"] == {"corpora": [], "protocols": [], "systems": []}
    assert axes["features"]["face"] == {"corpora": [], "features": []}


def test_modalities_are_of_every_stage_also_switched_off():
    params = copy.deepcopy(PAPER)
    params["run"]["joint_cnn"]["speech"] = {"corpora": [], "systems": []}
    params["run"]["features"]["fasttext"]["features"] = []
    modalities = selection.axes(params, STAGES)["modalities"]
    assert modalities["joint_cnn"]["speech"] == ["audio"]
    assert modalities["weighted_late_fusion"]["fusion"] == ["audio", "text", "video"]
    assert modalities["class_weight_lstm"]["visual"] == ["words"]
    assert selection.axes(PAPER, STAGES)["modalities"]["joint_cnn"]["late"] == ["audio", "text"]


def test_a_needed_checkpoint_that_is_not_described_is_one_line():
    checkpoints = {name: block for name, block in PAPER["checkpoints"].items() if name != "clip"}
    message = "params.yaml: checkpoints.clip: missing, and a selected feature or system needs it"
    with pytest.raises(ParamsError, match=f"^{re.escape(message)}$"):
        selection.axes(PAPER | {"checkpoints": checkpoints}, STAGES)


def test_the_matrix_is_written_only_when_it_changes(tmp_path):
    axes = selection.axes(PAPER, STAGES)
    assert selection.write_matrix(tmp_path, axes)
    assert not selection.write_matrix(tmp_path, axes)
    assert json.loads((tmp_path / selection.MATRIX).read_text()) == {"axes": axes}
    assert selection.write_matrix(tmp_path, axes | {"corpora": ["meld"]})


def test_outside_of_the_project_is_one_line(tmp_path):
    message = r"dvc\.yaml: no such file; run this in the project's folder$"
    with pytest.raises(ParamsError, match=message):
        selection.stages_at(tmp_path)
