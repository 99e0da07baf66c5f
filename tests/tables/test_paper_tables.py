import json

import pandas as pd
import pytest
from support import REPORTED

from merflow.tables.compare import build

SYSTEMS = {
    "speech_cnn": {"uar": 0.45, "accuracy": 0.46, "weighted_f1": 0.44},
    "text_lstm": {"all": 0.53},
    "late_weighted": {"all": 0.58},
    "late_product": {"all": 0.62},
    "unimodal_product": {"all": 0.57},
}


@pytest.fixture
def built(tmp_path, write_scores):
    def make(*frames):
        build(write_scores(pd.concat(frames)), REPORTED, tmp_path / "tables")
        return tmp_path / "tables"

    return make


def read(tables, name, paper="joint_cnn"):
    return pd.read_csv(tables / paper / f"{name}.csv", keep_default_na=False, na_values=[""])


def entry_of(tables, paper="joint_cnn", corpus="iemocap"):
    index = json.loads((tables / "index.json").read_text())["sections"]
    return next(entry for entry in index if (entry["paper"], entry["corpus"]) == (paper, corpus))


def test_a_table_has_the_papers_rows_and_columns(built, make_scores):
    tables = built(make_scores(SYSTEMS))
    two = read(tables, "iemocap-table-2-clean")
    assert two["label"].tolist() == [
        *(
            "CNN / Audio (speech_cnn)",
            "LSTM / Text (text_lstm)",
            "Early Fusion / joint-CNN (Eqn. 1) (joint_cnn)",
        ),
        *(
            "Late Fusion-I / Average (Eqn. 2) (late_average)",
            "Late Fusion-II / Weighted (Eqn. 3) (late_weighted)",
        ),
        *(
            "Late Fusion-III / Product (Eqn. 4) (late_product)",
            "unimodal_product",
            "majority",
            "chance",
        ),
    ]
    assert two["kind"].tolist() == [
        *("system", "system", "absent", "absent", "system", "system"),
        "system",
        "baseline",
        "baseline",
    ]
    assert two.loc[0, ["UA_metric", "WA_metric", "F1_metric"]].tolist() == [
        "uar",
        "accuracy",
        "weighted_f1",
    ]
    first = two.iloc[0]
    figures = first[["printed_UA", "printed_UA_as", "UA", "UA_low", "UA_high"]].tolist()
    assert figures == pytest.approx([0.471, 47.1, 0.45, 0.43, 0.47])
    assert first["UA_difference"] == pytest.approx(0.45 - 0.471) and first[
        "F1_difference"
    ] == pytest.approx(0.44 - 0.45)
    assert (
        two["note"].iloc[2].startswith("not run: params.yaml does not ask for it (run.joint_cnn)")
    )
    three = read(tables, "iemocap-table-3-clean")["label"].tolist()
    assert three[:4] == [
        "TFN / (A+T+V)",
        "MFN / (A+T+V)",
        "Late Fusion-II Weighted / (A+T) (late_weighted)",
        "Late Fusion-III Product / (A+T) (late_product)",
    ]
    assert three[4:] == [
        "cLSTM* / (A+T+V)",
        "ICON* / (A+T)",
        "unimodal_product",
        "majority",
        "chance",
    ]


def test_a_column_of_the_paper_is_a_group_under_its_name_and_ours(built, make_scores):
    text = (built(make_scores(SYSTEMS)) / "joint_cnn" / "iemocap-table-3-clean.md").read_text()
    header = next(line for line in text.splitlines() if line.startswith("| row"))
    groups = [
        f"{name}: {column}"
        for name in ("UA (UAR)", "WA (accuracy)", "F1 (weighted F1)")
        for column in ("printed", "ours", "difference", "95 % interval")
    ]
    assert header == f"| row | {' | '.join(groups)} | n | source | inputs | notes |"
    assert "| ICON* / (A+T) | 60.0 | – | – | – | 63.0 |" in text
    assert (
        "| Late Fusion-III Product / (A+T) (late_product) | 59.3 | 62.00 ± 0.00 | +2.70 | [60.00, 64.00] | 61.2 |"
        in text
    )
    assert "| unimodal_product | – | 57.00 ± 0.00 | – | [55.00, 59.00] | – |" in text
    assert (
        "\n- WA: weighted accuracy is not defined in the paper" in text
    )  # said of every row: a note without a number


def test_one_table_for_each_protocol_in_which_a_printed_system_ran(built, make_scores):
    fusion = {"late_product": {"all": 0.6}}
    tables = built(make_scores(SYSTEMS), make_scores(fusion, protocol="as_published"))
    names = {path.stem for path in (tables / "joint_cnn").glob("iemocap-table-*.md")}
    assert names == {
        f"iemocap-table-{number}-{protocol}"
        for number in (2, 3)
        for protocol in ("as_published", "clean")
    }
    assert {path.stem for path in (tables / "weighted_late_fusion").glob("*-table-*")} == {
        "meld-table-1"
    }  # of the corpus alone
    only = built(make_scores({"speech_cnn": {"all": 0.5}}))
    assert {path.stem for path in (only / "joint_cnn").glob("iemocap-table-*.md")} == {
        "iemocap-table-2-clean"
    }


def test_a_column_of_several_measures_names_them_row_by_row(built, make_scores):
    """Table 10 of weighted_late_fusion prints accuracies and weighted F1 in one column."""
    frame = make_scores(
        {"text_roberta_16": {"accuracy": 0.6, "weighted_f1": 0.55}},
        paper="weighted_late_fusion",
        corpus="meld",
    )
    table = read(built(frame), "meld-table-10-clean", "weighted_late_fusion")
    assert table[["label", "F1 Score_metric"]].fillna("").values.tolist() == [
        ["T (text_roberta_16)", "accuracy"],
        ["A (audio_wav2vec2)", "accuracy"],
        ["V (video_clip)", "weighted_f1"],
        ["T+A+V (late_fusion)", "weighted_f1"],
        *(
            ["majority", ""],
            ["chance", ""],
        ),  # which of the two would be theirs? both, in columns of their own
    ]
    assert table.loc[0, "F1 Score"] == 0.6 and table["F1 Score"].iloc[1:].isna().all()
    assert table.loc[0, ["F1 Score_accuracy", "F1 Score_weighted_f1"]].tolist() == [0.6, 0.55]
    assert (table.loc[4:, ["F1 Score_accuracy", "F1 Score_weighted_f1"]] == 0.1).all(axis=None)


def test_demo_figures_are_never_subtracted(built, make_scores):
    tables = built(make_scores(SYSTEMS, source="demo"))
    for number in (2, 3):
        table = read(tables, f"iemocap-table-{number}-clean")
        assert (
            table[["UA_difference", "WA_difference", "F1_difference"]].isna().all(axis=None)
            and table["printed_UA"].notna().any()
        )
        assert (
            "demo corpus in the layout of iemocap"
            in (tables / "joint_cnn" / f"iemocap-table-{number}-clean.md").read_text()
        )


def test_fewer_classes_are_named_and_never_subtracted(built, make_scores):
    tables = built(make_scores(SYSTEMS, classes=("anger", "happiness", "sadness", "neutral")))
    for name, column in (("table-2-clean", "UA_difference"), ("test", "clean_difference")):
        assert read(tables, f"iemocap-{name}")[column].isna().all()
        text = (tables / "joint_cnn" / f"iemocap-{name}.md").read_text()
        assert text.splitlines()[0].endswith(", iemocap (official), 4 classes instead of 6.")
    assert all(
        line.endswith("(4 classes instead of 6: no comparison).")
        for line in entry_of(tables)["headlines"][1:]
    )


def test_a_corpus_that_the_paper_does_not_print_says_so_and_has_no_printed_columns(
    built, make_scores
):
    tables = built(
        make_scores(SYSTEMS), make_scores({"speech_cnn": {"all": 0.4}}, corpus="ravdess")
    )
    names = {
        path.stem.removeprefix("ravdess-") for path in (tables / "joint_cnn").glob("ravdess-*.md")
    }
    assert names == {"test", "classes", "seeds"}  # no pair of systems, no dev figures
    text = (tables / "joint_cnn" / "ravdess-test.md").read_text()
    assert "\n- Corpus not in the paper: it prints no figure on ravdess.\n" in text
    assert (
        "printed" not in text
        and "difference" not in text
        and "| speech_cnn | 40.00 ± 0.00 |" in text
    )
    entry = entry_of(tables, corpus="ravdess")
    assert entry["extra"] and entry["headlines"][-1].endswith("The paper has no figure on ravdess.")


def test_the_overview_shows_what_most_tables_of_the_paper_print(built, make_scores):
    meld = make_scores({"text_bert_8": {"all": 0.6}}, paper="weighted_late_fusion", corpus="meld")
    tables = built(make_scores(SYSTEMS), meld)
    printed = [
        name
        for name in read(tables, "iemocap-test").columns
        if name.startswith("printed_") and name.count("_as") == 0
    ]
    assert [name for name in printed if not name.endswith("_decimals")] == [
        "printed_uar",
        "printed_accuracy",
        "printed_weighted_f1",
    ]
    assert (
        "printed_uar" not in read(tables, "meld-test", "weighted_late_fusion").columns
    )  # in two tables of seven


def test_the_index_lists_the_papers_tables_and_claims_first(built, make_scores):
    entry = entry_of(built(make_scores(SYSTEMS)))
    assert [table["name"] for table in entry["tables"]] == [
        *(
            "iemocap-table-2-clean",
            "iemocap-table-3-clean",
            "iemocap-claims",
            "iemocap-audit",
            "iemocap-test",
        ),
        *("iemocap-classes", "iemocap-seeds", "iemocap-differences"),
    ]
    assert [table["folded"] for table in entry["tables"]] == [False] * 5 + [True] * 3
    assert entry["headlines"][0].startswith("Claims of the paper, clean: ")
