"""Tables of selected papers and corpora name nothing else."""

import pytest
from support import REPORTED

from merflow.tables.compare import build
from merflow.tables.index import Index


@pytest.fixture
def scores(make_scores, write_scores):
    figures = {"speech_cnn": {"all": 0.4}}
    return write_scores(make_scores(figures, "joint_cnn", "ravdess", classes=("calm", "happy")))


@pytest.mark.parametrize(
    ("papers", "corpora", "entries"),
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
def test_tables_are_of_selected_papers_and_corpora(scores, tmp_path, papers, corpora, entries):
    build(scores, REPORTED, tmp_path / "tables", papers, corpora)
    index = Index.read(tmp_path / "tables")
    assert [(entry.paper, entry.corpus) for entry in index.sections] == entries
    folders = {path.parent.name for path in tmp_path.glob("tables/*/tables.html")}
    assert folders == {"overall", *papers}
