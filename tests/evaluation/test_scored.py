"""The folder results/scores: written and read whole."""

import pandas as pd
import pytest
from support.score_tables import no_scores, scores_of

from merflow.errors import StoreError
from merflow.evaluation.scored import MissingResult, Scores


def test_tables_are_read_as_they_were_written(tmp_path):
    scores = scores_of({"text_lstm": {"all": 0.5}, "speech_cnn": {"all": 0.4}})
    scores.write(tmp_path / "scores")
    files = {path.name for path in (tmp_path / "scores").iterdir()}
    tables = {f"{name}.parquet" for name in ("scores", "differences", "gaps", "corpora")}
    assert files == {"scores.json", *tables}
    read = Scores.read(tmp_path / "scores")
    assert (read.evaluation, read.missing) == (scores.evaluation, ())
    for name, table in scores.tables.items():
        assert len(read.tables[name]) == len(table)
    assert read.scores["value"].tolist() == scores.scores["value"].tolist()
    assert read.differences["first_alone"].dropna().tolist() == [17, 12]


def test_rows_are_chosen_by_paper_and_corpus():
    scores = scores_of({"text_lstm": {"all": 0.5}}, "joint_cnn", "iemocap")
    assert len(scores.of("joint_cnn", "iemocap").scores) == len(scores.scores)
    assert scores.of("joint_cnn", "meld").scores.empty
    assert scores.corpora_of("joint_cnn") == ["iemocap"] and not scores.corpora_of("other")


def test_a_missing_result_has_its_names():
    name = "results/joint_cnn/text_lstm/meld-as_published"
    missing = MissingResult.named(name, f"{name}: absent")
    assert (missing.system, missing.corpus, missing.protocol) == (
        "text_lstm",
        "meld",
        "as_published",
    )
    assert missing.name == name


def test_an_absent_or_wrong_folder_is_refused(tmp_path):
    with pytest.raises(StoreError, match=r"scores\.json: cannot be read"):
        Scores.read(tmp_path)
    no_scores().write(tmp_path)
    (tmp_path / "scores.json").write_text("{}")
    with pytest.raises(StoreError, match=r"scores\.json: evaluation: field required; delete "):
        Scores.read(tmp_path)


def test_a_table_that_does_not_fit_leaves_no_marker(tmp_path):
    no_scores().write(tmp_path)
    wrong = no_scores(gaps=[{"paper": "joint_cnn"}])
    with pytest.raises(StoreError, match=r"gaps\.parquet: "):
        wrong.write(tmp_path)
    assert not (tmp_path / "scores.json").exists()
    assert pd.read_parquet(tmp_path / "gaps.parquet").empty
