"""Tables of what run.corpora and run.papers select: nothing is said of what they leave out."""

import json

import pytest
from support import REPORTED

from merflow.tables.compare import build


@pytest.fixture
def scores(make_scores, write_scores):
    return write_scores(
        make_scores({"speech_cnn": {"all": 0.4}}, "joint_cnn", "ravdess", classes=("calm", "happy"))
    )


@pytest.mark.parametrize(
    ("papers", "corpora", "sections"),
    [
        (["joint_cnn"], ["ravdess"], [("joint_cnn", "ravdess")]),
        (
            ["joint_cnn"],
            ["iemocap", "ravdess"],
            [("joint_cnn", "iemocap"), ("joint_cnn", "ravdess")],
        ),
        (["joint_cnn", "class_weight_lstm"], ["ravdess"], [("joint_cnn", "ravdess")]),
    ],
)
def test_tables_cover_what_is_selected(scores, tmp_path, papers, corpora, sections):
    build(scores, REPORTED, tmp_path / "tables", papers, corpora)
    found = json.loads((tmp_path / "tables/index.json").read_text())["sections"]
    assert [(section["paper"], section["corpus"]) for section in found] == sections
    assert {path.parent.name for path in tmp_path.glob("tables/*/tables.html")} == {
        "overall",
        *papers,
    }
