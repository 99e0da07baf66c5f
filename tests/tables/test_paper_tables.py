import pytest
from support import REPORTED
from support.built_tables import entry_of, header_of, read_csv
from support.score_tables import joined

from merflow.tables.compare import build
from merflow.tables.rendered import RenderedTable

PAPER = "joint_cnn"
SYSTEMS = {
    "speech_cnn": {"uar": 0.45, "accuracy": 0.46, "weighted_f1": 0.44},
    "text_lstm": {"all": 0.53},
    "late_weighted": {"all": 0.58},
    "late_product": {"all": 0.62},
    "unimodal_product": {"all": 0.57},
}


@pytest.fixture
def built(tmp_path, write_scores):
    def make(*scores):
        build(write_scores(joined(*scores)), REPORTED, tmp_path / "tables")
        return tmp_path / "tables"

    return make


def read(tables, name, paper=PAPER):
    return read_csv(tables / paper / f"{name}.csv")


def names_of(tables, pattern, paper=PAPER):
    return {path.stem for path in (tables / paper).glob(pattern)}


def test_folds_have_a_column_where_there_are_any(built, make_scores):
    scores = make_scores(SYSTEMS)
    rows = scores.scores
    over_all = rows["seed"].isna() & (rows["system"] == "text_lstm")
    rows.loc[over_all, ["fold_mean", "fold_std"]] = 0.55, 0.04
    tables = built(scores)
    path = tables / PAPER / "iemocap-table-2-clean.md"
    text = path.read_text()
    assert header_of(path).count("mean over folds") == 3
    row = next(line for line in text.splitlines() if "(text_lstm)" in line)
    assert row.count("55.00 ± 4.00") == 3
    assert "Ours, interval and difference are of all folds pooled." in text
    assert "mean over folds" in header_of(tables / PAPER / "iemocap-test.md")


def test_without_folds_there_is_no_column_of_them(built, make_scores):
    tables = built(make_scores(SYSTEMS))
    for name in ("iemocap-table-2-clean", "iemocap-test"):
        assert "over folds" not in (tables / PAPER / f"{name}.md").read_text()


def test_a_table_has_the_papers_rows_and_columns(built, make_scores):
    tables = built(make_scores(SYSTEMS))
    two = read(tables, "iemocap-table-2-clean")
    assert two["label"].tolist() == [
        "CNN / Audio (speech_cnn)",
        "LSTM / Text (text_lstm)",
        "Early Fusion / joint-CNN (Eqn. 1) (joint_cnn)",
        "Late Fusion-I / Average (Eqn. 2) (late_average)",
        "Late Fusion-II / Weighted (Eqn. 3) (late_weighted)",
        "Late Fusion-III / Product (Eqn. 4) (late_product)",
        *("unimodal_product", "majority", "chance"),
    ]
    kinds = ["system", "system", "absent", "absent", "system", "system", "system"]
    assert two["kind"].tolist() == [*kinds, "baseline", "baseline"]
    first = two.iloc[0]
    metrics = first[["UA_metric", "WA_metric", "F1_metric"]].tolist()
    assert metrics == ["uar", "accuracy", "weighted_f1"]
    figures = first[["printed_UA", "printed_UA_as", "UA", "UA_low", "UA_high"]].tolist()
    assert figures == pytest.approx([0.471, 47.1, 0.45, 0.43, 0.47])
    differences = first[["UA_difference", "F1_difference"]].tolist()
    assert differences == pytest.approx([0.45 - 0.471, 0.44 - 0.45])
    disabled = "not run: disabled in params.yaml (run.joint_cnn.early)"
    assert two["note"].iloc[2].startswith(disabled)
    three = read(tables, "iemocap-table-3-clean")
    assert three["label"].tolist() == [
        "TFN / (A+T+V)",
        "MFN / (A+T+V)",
        "Late Fusion-II Weighted / (A+T) (late_weighted)",
        "Late Fusion-III Product / (A+T) (late_product)",
        "cLSTM* / (A+T+V)",
        "ICON* / (A+T)",
        *("unimodal_product", "majority", "chance"),
    ]


def test_a_column_of_the_paper_is_a_group_of_columns(built, make_scores):
    path = built(make_scores(SYSTEMS)) / PAPER / "iemocap-table-3-clean.md"
    groups = [
        f"{name}: {column}"
        for name in ("UA (UAR)", "WA (accuracy)", "F1 (weighted F1)")
        for column in ("printed", "ours", "difference", "95 % interval")
    ]
    header = f"| row | {' | '.join(groups)} | n | source | inputs | notes |"
    assert header_of(path) == header
    text = path.read_text()
    assert "| ICON* / (A+T) | 60.0 | – | – | – | 63.0 |" in text
    product = "| Late Fusion-III Product / (A+T) (late_product) | 59.3 | 62.00 ± 0.00 | +2.70 |"
    assert f"{product} [60.00, 64.00] | 61.2 |" in text
    assert "| unimodal_product | – | 57.00 ± 0.00 | – | [55.00, 59.00] | – |" in text
    # A remark on every row has no number.
    assert "\n- WA: weighted accuracy is not defined in the paper" in text


def test_a_table_stands_under_each_protocol_that_ran(built, make_scores):
    fusion = make_scores({"late_product": {"all": 0.6}}, protocol="as_published")
    tables = built(make_scores(SYSTEMS), fusion)
    assert names_of(tables, "iemocap-table-*.md") == {
        f"iemocap-table-{number}-{protocol}"
        for number in (2, 3)
        for protocol in ("as_published", "clean")
    }
    # Tables of the corpus alone stand anyway.
    assert names_of(tables, "*-table-*", "weighted_late_fusion") == {"meld-table-1"}
    tables = built(make_scores({"speech_cnn": {"all": 0.5}}))
    assert names_of(tables, "iemocap-table-*.md") == {"iemocap-table-2-clean"}


def test_a_column_of_several_measures_names_them_by_row(built, make_scores):
    """Table 10 of weighted_late_fusion prints accuracies and weighted F1 in one column."""
    figures = {"text_roberta_16": {"accuracy": 0.6, "weighted_f1": 0.55}}
    paper = "weighted_late_fusion"
    table = read(built(make_scores(figures, paper, "meld")), "meld-table-10-clean", paper)
    assert table[["label", "F1 Score_metric"]].fillna("").values.tolist() == [
        ["T (text_roberta_16)", "accuracy"],
        ["A (audio_wav2vec2)", "accuracy"],
        ["V (video_clip)", "weighted_f1"],
        ["T+A+V (late_fusion)", "weighted_f1"],
        # Baselines have both, in columns of their own.
        ["majority", ""],
        ["chance", ""],
    ]
    assert table.loc[0, "F1 Score"] == 0.6 and table["F1 Score"].iloc[1:].isna().all()
    both = ["F1 Score_accuracy", "F1 Score_weighted_f1"]
    assert table.loc[0, both].tolist() == [0.6, 0.55]
    assert (table.loc[4:, both] == 0.1).all(axis=None)


def test_demo_scores_are_never_subtracted(built, make_scores):
    tables = built(make_scores(SYSTEMS, source="demo"))
    for number in (2, 3):
        table = read(tables, f"iemocap-table-{number}-clean")
        differences = table[["UA_difference", "WA_difference", "F1_difference"]]
        assert differences.isna().all(axis=None) and table["printed_UA"].notna().any()
        text = (tables / PAPER / f"iemocap-table-{number}-clean.md").read_text()
        assert "demo corpus in the layout of iemocap" in text


def test_fewer_classes_are_named_and_never_subtracted(built, make_scores):
    tables = built(make_scores(SYSTEMS, classes=("anger", "happiness", "sadness", "neutral")))
    for name, column in (("table-2-clean", "UA_difference"), ("test", "clean_difference")):
        assert read(tables, f"iemocap-{name}")[column].isna().all()
        title = (tables / PAPER / f"iemocap-{name}.md").read_text().splitlines()[0]
        assert title.endswith(", iemocap (official), 4 classes instead of 6.")
    for line in entry_of(tables, PAPER, "iemocap").headlines[1:]:
        assert line.endswith("(4 classes instead of 6: no comparison).")


def test_an_unprinted_corpus_has_no_printed_columns(built, make_scores):
    extra = make_scores({"speech_cnn": {"all": 0.4}}, corpus="ravdess")
    tables = built(make_scores(SYSTEMS), extra)
    names = {name.removeprefix("ravdess-") for name in names_of(tables, "ravdess-*.md")}
    assert names == {"test", "classes", "seeds"}  # no pair of systems, no dev scores
    text = (tables / PAPER / "ravdess-test.md").read_text()
    assert "\n- Corpus not in the paper: it prints no figure on ravdess.\n" in text
    assert "printed" not in text and "difference" not in text
    assert "| speech_cnn | 40.00 ± 0.00 |" in text
    entry = entry_of(tables, PAPER, "ravdess")
    assert entry.extra and entry.headlines[-1].endswith("The paper has no figure on ravdess.")


def test_the_overview_has_metrics_that_most_tables_print(built, make_scores):
    paper = "weighted_late_fusion"
    meld = make_scores({"text_bert_8": {"all": 0.6}}, paper, "meld")
    tables = built(make_scores(SYSTEMS), meld)
    columns = read(tables, "iemocap-test").columns
    printed = [name for name in columns if name.startswith("printed_")]
    figures = [name for name in printed if not name.endswith(("_as", "_decimals"))]
    assert figures == ["printed_uar", "printed_accuracy", "printed_weighted_f1"]
    # UAR is in two tables of seven.
    assert "printed_uar" not in read(tables, "meld-test", paper).columns


def test_the_index_lists_the_papers_tables_and_claims_first(built, make_scores):
    tables = built(make_scores(SYSTEMS))
    entry = entry_of(tables, PAPER, "iemocap")
    assert [name.removeprefix("iemocap-") for name in entry.tables] == [
        *("table-2-clean", "table-3-clean", "claims", "audit", "test"),
        *("classes", "seeds", "differences"),
    ]
    folded = [RenderedTable.read(tables / PAPER / f"{name}.json").folded for name in entry.tables]
    assert folded == [False] * 5 + [True] * 3
    assert entry.headlines[0].startswith("Claims of the paper, clean: ")
