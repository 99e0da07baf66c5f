"""Expected results that are absent or refused: an error, or tables of the rest that say so."""

import shutil

import pandas as pd
import pytest
from support import REPORTED, altered_results

from merflow import params
from merflow.errors import MerflowError
from merflow.evaluation.score import score
from merflow.evaluation.scored import Scores
from merflow.tables.compare import build
from merflow.tables.index import Index

PAPER = "results/weighted_late_fusion"
EXPECTED = {
    f"{PAPER}/{system}/meld-clean": [1, 2]
    for system in ("text_bert_8", "text_bert_16", "text_roberta_16")
}


@pytest.fixture
def three(make_corpus, make_result):
    corpus = make_corpus()
    return corpus, [make_result(corpus, name.split("/")[2]) for name in EXPECTED]


def scored(tmp_path, corpus, results, allow_missing=False):
    evaluation = params.EvaluationParams(
        resamples=100, confidence=0.95, seed=1, allow_missing=allow_missing
    )
    score(results, [corpus], evaluation, tmp_path / "scores", EXPECTED)
    return Scores.read(tmp_path / "scores")


def without_seed_2(folder):
    altered_results.predictions(folder, lambda rows: rows[rows["seed"] == 1])
    altered_results.record(folder, lambda record: {"runs": record.runs[:-1]})


def with_a_wrong_sum(folder):
    def change(rows):
        return rows.assign(probabilities=[values * 0.9 for values in rows["probabilities"]])

    altered_results.predictions(folder, change)


BROKEN = [
    pytest.param(
        shutil.rmtree,
        f"^{PAPER}/text_bert_16/meld-clean: absent, but expected by run.weighted_late_fusion",
        id="folder",
    ),
    pytest.param(
        lambda folder: (folder / "run.json").unlink(),
        r"text_bert_16/meld-clean/run\.json: cannot be read",
        id="run.json",
    ),
    pytest.param(
        lambda folder: (folder / "predictions.parquet").unlink(),
        r"text_bert_16/meld-clean/predictions\.parquet",
        id="predictions",
    ),
    pytest.param(
        without_seed_2,
        r"text_bert_16/meld-clean: has seeds 1, expected 1/2 of params\.yaml; train it again",
        id="a seed",
    ),
    pytest.param(
        with_a_wrong_sum,
        r"text_bert_16/meld-clean/predictions\.parquet: .* expected a sum of 1 over",
        id="probabilities",
    ),
]


@pytest.mark.parametrize(("breaks", "message"), BROKEN)
def test_absent_and_broken_results_are_refused_by_name(tmp_path, three, breaks, message):
    corpus, results = three
    breaks(results[1])
    with pytest.raises(MerflowError, match=message) as error:
        scored(tmp_path, corpus, [folder for folder in results if folder.exists()])
    assert "\n" not in str(error.value)
    assert "evaluation.allow_missing: true" in str(error.value)
    assert not (tmp_path / "scores").exists()


def test_the_rest_is_scored_if_missing_results_are_allowed(tmp_path, three):
    corpus, results = three
    whole = scored(tmp_path, corpus, results)
    assert whole.missing == ()
    shutil.rmtree(results[0])
    with_a_wrong_sum(results[1])
    rest = scored(tmp_path, corpus, results[1:], allow_missing=True)
    assert [result.name for result in rest.missing] == sorted(list(EXPECTED)[:2])
    refused, absent = (result.message for result in rest.missing)
    assert refused.startswith(f"{PAPER}/text_bert_16/meld-clean: refused (")
    assert absent == (
        f"{PAPER}/text_bert_8/meld-clean: absent, but expected by run.weighted_late_fusion;"
        " train it"
    )
    systems = ["text_roberta_16", "majority", "chance"]
    expected = whole.scores[whole.scores["system"].isin(systems)].reset_index(drop=True)
    pd.testing.assert_frame_equal(rest.scores, expected)
    pd.testing.assert_frame_equal(rest.corpora, whole.corpora)
    assert rest.differences.empty


def test_tables_of_the_rest_say_what_they_lack(tmp_path, three, reported):
    corpus, results = three
    shutil.rmtree(results[0])
    missing = scored(tmp_path, corpus, results[1:], allow_missing=True).missing
    tables = tmp_path / "tables"
    build(tmp_path / "scores", reported, tables)
    assert Index.read(tables).missing == missing
    paper = "weighted_late_fusion"
    for name in (f"{paper}/meld-test", f"{paper}/meld-claims", "overall/cross", "overall/claims"):
        text = (tables / f"{name}.md").read_text()
        assert f"- Made without {missing[0].message}" in text, name
    test = pd.read_csv(tables / paper / "meld-test.csv")
    notes = test.loc[test["system"] == "text_bert_8", "note"]
    assert notes.str.contains("absent, but expected by run.weighted_late_fusion, train it").all()


@pytest.fixture
def reported(tmp_path):
    """Printed numbers of one paper, so that few tables are built."""
    folder = tmp_path / "reported"
    folder.mkdir()
    for file in REPORTED.glob("weighted_late_fusion.*"):
        shutil.copy(file, folder)
    return folder


def test_params_say_which_results_and_seeds_are_expected():
    values = {
        "axes.papers": {
            "joint_cnn": {
                "text": {
                    "corpora": ["meld", "iemocap"],
                    "protocols": ["clean"],
                    "systems": ["text_lstm"],
                }
            }
        },
        "papers.joint_cnn.protocols": {
            "clean": {
                "scheme": {"meld": "official", "iemocap": "sessions"},
                "select": "dev",
                "seeds": [2, 1],
            }
        },
        "evaluation": {},
    }
    expected = {
        f"results/joint_cnn/text_lstm/{corpus}-clean": [1, 2] for corpus in ("meld", "iemocap")
    }
    assert params.expected_results(values) == expected
