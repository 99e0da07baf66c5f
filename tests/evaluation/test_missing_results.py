"""Results that are asked for but absent, or refused: an error that names them, or tables of the rest that say so."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from support import altered_results

from merflow import artifacts, params
from merflow.errors import MerflowError
from merflow.evaluation.score import score
from merflow.store import read_metadata
from merflow.tables.compare import build

ASKED = {
    f"results/weighted_late_fusion/{system}/meld-clean": [1, 2]
    for system in ("text_bert_8", "text_bert_16", "text_roberta_16")
}


@pytest.fixture
def three(make_corpus, make_result):
    corpus = make_corpus()
    return corpus, [make_result(corpus, name.split("/")[2]) for name in ASKED]


def run(tmp_path, corpus, results, allowed=False, asked=ASKED):
    evaluation = params.EvaluationParams(
        resamples=100, confidence=0.95, seed=1, allow_missing=allowed
    )
    score(results, [corpus], evaluation, tmp_path / "scores.parquet", asked)
    return pd.read_parquet(tmp_path / "scores.parquet"), read_metadata(
        tmp_path / "scores.parquet", artifacts.SCORES
    )["missing"]


def without_seed_2(folder):
    altered_results.predictions(folder, lambda rows: rows[rows["seed"] == 1])
    altered_results.record(folder, lambda record: {"runs": record.runs[:-1]})


def with_a_broken_sum(folder):
    altered_results.predictions(
        folder,
        lambda rows: rows.assign(probabilities=[values * 0.9 for values in rows["probabilities"]]),
    )


BROKEN = [
    pytest.param(
        shutil.rmtree,
        r"^results/weighted_late_fusion/text_bert_16/meld-clean: absent, though run\.weighted_late_f",
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
        r"text_bert_16/meld-clean: has seeds 1, params\.yaml asks for 1/2",
        id="a seed",
    ),
    pytest.param(
        with_a_broken_sum,
        r"text_bert_16/meld-clean/predictions\.parquet: .* expected a sum of 1",
        id="probabilities",
    ),
]


@pytest.mark.parametrize(("breaks", "message"), BROKEN)
def test_what_is_absent_or_broken_is_refused_by_name(tmp_path, three, breaks, message):
    corpus, results = three
    breaks(results[1])
    with pytest.raises(MerflowError, match=message) as error:
        run(tmp_path, corpus, [folder for folder in results if folder.exists()])
    assert "\n" not in str(error.value) and "evaluation.allow_missing: true" in str(error.value)
    assert not (tmp_path / "scores.parquet").exists()


def test_the_rest_is_scored_where_the_user_asks_for_it(tmp_path, three):
    corpus, results = three
    whole, missing = run(tmp_path, corpus, results)
    assert missing == {}
    shutil.rmtree(results[0])
    with_a_broken_sum(results[1])
    rest, missing = run(tmp_path, corpus, results[1:], allowed=True)
    assert list(missing) == sorted(list(ASKED)[:2])
    refused, absent = missing.values()
    assert refused.startswith("results/weighted_late_fusion/text_bert_16/meld-clean: refused (")
    assert absent.endswith(
        "/meld-clean: absent, though run.weighted_late_fusion asks for it; train it"
    )
    kept = whole[
        whole["system"].isin(["text_roberta_16", "majority", "chance", "corpus"])
    ].reset_index(drop=True)
    pd.testing.assert_frame_equal(rest, kept)


def test_tables_of_the_rest_say_what_they_lack(tmp_path, three, reported):
    corpus, results = three
    shutil.rmtree(results[0])
    _, missing = run(tmp_path, corpus, results[1:], allowed=True)
    build(tmp_path / "scores.parquet", reported, tmp_path / "tables")
    (line,) = missing.values()
    assert json.loads((tmp_path / "tables/index.json").read_text())["missing"] == [line]
    for name in (
        "weighted_late_fusion/meld-test",
        "weighted_late_fusion/meld-claims",
        "overall/cross",
        "overall/claims",
    ):
        assert f"- Made without {line}" in (tmp_path / f"tables/{name}.md").read_text(), name
    test = pd.read_csv(tmp_path / "tables/weighted_late_fusion/meld-test.csv")
    assert (
        test.loc[test["system"] == "text_bert_8", "note"]
        .str.contains("absent, though run.weighted_late_fusion")
        .all()
    )


@pytest.fixture
def reported(tmp_path):
    """The printed numbers of one paper, so that few tables are built."""
    folder = tmp_path / "reported"
    folder.mkdir()
    for file in (Path(__file__).parents[2] / "reported").glob("weighted_late_fusion.*"):
        shutil.copy(file, folder)
    return folder


def test_a_slice_of_params_says_which_results_and_seeds_are_asked_for():
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
    assert params.expected_results(values) == {
        f"results/joint_cnn/text_lstm/{corpus}-clean": [1, 2] for corpus in ("meld", "iemocap")
    }
