"""Linear classifiers in tables: their place, their label, and what a system has over them."""

import pandas as pd
import pytest
from support import ROOT
from support.built_tables import cells_of
from support.score_tables import comparison_of, scores_of

from merflow.tables import cross, differences, headlines, overview, paper_tables
from merflow.tables.reported import linear_systems, load

SCORES = {
    "linear_speech": {"weighted_f1": 0.40},
    "speech_cnn": {"weighted_f1": 0.50},
    "text_lstm": {"weighted_f1": 0.39},
}
FEATURES = {"speech_cnn": "is13", "linear_speech": "is13", "text_lstm": "fasttext"}


@pytest.fixture(scope="module")
def comparison():
    scores = scores_of(SCORES)
    inputs = scores.scores["system"].map(FEATURES)
    scores.scores["inputs"] = inputs.where(inputs.notna(), None)
    return comparison_of("joint_cnn", "iemocap", load(ROOT / "reported", "joint_cnn"), scores)


def test_linear_systems_are_known_by_their_parameters():
    assert linear_systems("joint_cnn") == {"linear_speech", "linear_text", "linear_joint"}
    assert linear_systems("no_paper") == frozenset()


def test_linear_rows_stand_between_systems_and_baselines(comparison):
    frame = overview.test(comparison).frame
    kinds = frame["kind"].tolist()
    place = kinds.index("linear")
    assert kinds[place + 1 :] and set(kinds[place + 1 :]) == {"baseline"}
    assert "baseline" not in kinds[:place]
    assert frame["label"][place] == "linear classifier on is13"
    ranked = sorted([*SCORES, "majority"], key=comparison.rank)
    assert ranked[-2:] == ["linear_speech", "majority"]


def test_a_system_stands_against_the_classifier_of_its_inputs(comparison):
    table = overview.test(comparison)
    rows = table.frame.set_index("system")
    assert rows.loc["speech_cnn", "clean_linear"] == pytest.approx(0.1)
    assert pd.isna(rows.loc[["text_lstm", "linear_speech", "majority"], "clean_linear"]).all()
    cells = next(cells for label, cells in cells_of(table).items() if "speech_cnn" in label)
    assert cells["clean: minus linear"] == "+10.00 [+8.00, +12.00]"
    assert any(note.startswith("Linear classifier: ") for note in table.notes)


def test_without_linear_classifiers_there_is_no_such_column():
    scores = scores_of({"speech_cnn": {"weighted_f1": 0.5}})
    printed = load(ROOT / "reported", "joint_cnn")
    table = overview.test(comparison_of("joint_cnn", "iemocap", printed, scores))
    assert "minus linear" not in [column.header for column in table.columns]
    assert not any("Linear" in note for note in table.notes)


def test_readers_see_the_pair_of_a_system_and_its_classifier(comparison):
    frame = differences.table(comparison).frame
    shown = {frozenset(pair) for *pair, show in frame[["first", "second", "shown"]].values if show}
    assert frozenset(("speech_cnn", "linear_speech")) in shown
    assert frozenset(("text_lstm", "linear_speech")) not in shown


def test_the_cross_tables_have_linear_rows(comparison):
    matrix, ranking = cross.tables([comparison])
    kinds = matrix.frame.set_index("system")["kind"]
    assert kinds["linear_speech"] == "linear" and kinds["linear_text"] == "absent"
    labels = ranking.frame.set_index("system")["label"]
    assert labels["linear_speech"] == "linear classifier on is13"
    assert labels["speech_cnn"] == "speech_cnn"


def test_a_table_has_classifiers_of_its_own_inputs():
    scores = scores_of({name: {"weighted_f1": 0.4} for name in (*SCORES, "linear_joint")})
    features = FEATURES | {"linear_joint": "both"}
    scores.scores["inputs"] = scores.scores["system"].map(features)
    printed = load(ROOT / "reported", "joint_cnn")
    table = next(iter(paper_tables.tables(comparison_of("joint_cnn", "iemocap", printed, scores))))
    labels = table.frame.loc[table.frame["kind"] == "linear", "label"]
    assert labels.tolist() == ["linear classifier on is13"]


def test_headlines_name_the_best_linear_classifier(comparison):
    first = next(iter(headlines.headlines(comparison)))
    assert "; linear classifier 40.00. " in first
