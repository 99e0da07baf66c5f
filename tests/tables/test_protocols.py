"""Tables of gaps and leakage, and of a corpus whose protocols have different tasks."""

from dataclasses import replace

import pytest
from support import REPORTED
from support.built_tables import entry_of, read_csv
from support.score_tables import gaps, joined, leakage

from merflow.corpora.labels import CLASSES
from merflow.tables.compare import build

PAPER = "mel_cnn_bert"
SYSTEMS = {
    "speech": {"all": 0.4},
    "text": {"all": 0.5},
    "fusion": {"all": 0.6},
    "concatenation": {"all": 0.55},
}
SIX = tuple(name for name in CLASSES["meld"] if name != "fear")


@pytest.fixture
def tables(tmp_path, make_scores, write_scores):
    """MELD with six classes as published, all under clean; a gap of one system, and leakage."""
    scores = joined(
        make_scores(SYSTEMS, PAPER, "meld", "as_published", classes=SIX),
        make_scores(SYSTEMS, PAPER, "meld", "clean"),
        gaps(PAPER, {("text", "accuracy"): 0.1, ("text", "weighted_f1"): 0.1}, paired=False),
        leakage(PAPER, "as_published", 90),
        leakage(PAPER, "clean", 0),
    )
    reported = tmp_path / "reported"
    reported.mkdir()
    for name in (f"{PAPER}.csv", f"{PAPER}.claims.yaml"):
        (reported / name).write_bytes((REPORTED / name).read_bytes())
    build(write_scores(scores), reported, tmp_path / "tables")
    return tmp_path / "tables"


def read(tables, name):
    return read_csv(tables / PAPER / f"meld-{name}.csv")


def text_of(tables, name):
    return (tables / PAPER / f"meld-{name}.md").read_text()


def test_protocols_with_different_tasks_have_own_tables(tables):
    names = {path.stem.removeprefix("meld-") for path in (tables / PAPER).glob("meld-*.md")}
    for name in ("table-3", "claims", "test", "classes", "seeds", "differences"):
        assert {f"{name}-as_published", f"{name}-clean"} <= names and name not in names
    assert {"gap", "leakage"} <= names
    assert "fear" in read(tables, "classes-clean")
    assert "fear" not in read(tables, "classes-as_published")


def test_only_the_papers_task_is_compared_with_the_paper(tables):
    published, clean = (
        read(tables, f"table-3-{protocol}").set_index("system")
        for protocol in ("as_published", "clean")
    )
    assert published.loc["fusion", "WF1_difference"] == pytest.approx(0.6 - 0.6612)
    assert clean["WF1_difference"].isna().all()
    title = text_of(tables, "table-3-clean").splitlines()[0]
    assert title.endswith(", meld (official), 7 classes instead of 6.")
    verdicts = {
        protocol: read(tables, f"claims-{protocol}").set_index("id")[f"{protocol}_verdict"]
        for protocol in ("as_published", "clean")
    }
    assert verdicts["as_published"]["meld_f1_over_cited"] == "refuted"
    assert verdicts["clean"]["meld_f1_over_cited"] == "not compared"


def test_formulas_stand_under_the_tables(tables):
    formula = (
        "balanced accuracy = mean of (TP / P + TN / N) / 2, that is (TP x N/P + TN) / 2N, over the"
        " classes, each against the rest"
    )
    for name in ("table-3-as_published", "test-clean"):
        assert formula in text_of(tables, name)


def test_gap_has_both_protocols_and_their_difference(tables):
    gap = read(tables, "gap").set_index("system")
    assert set(gap.index) == {*SYSTEMS, "majority"}
    columns = [f"weighted_f1_{key}" for key in ("first", "second", "gap", "gap_low", "gap_high")]
    assert gap.loc["text", columns].tolist() == pytest.approx([0.5, 0.5, 0.1, 0.04, 0.16])
    assert gap.loc["text", ["first", "second", "gap"]].tolist() == [
        *("as_published", "clean", "unpaired")
    ]
    assert gap["weighted_f1_gap"].drop("text").isna().all()
    row = "| text | 50.00 ± 0.00 | 50.00 ± 0.00 | +10.00 | [+4.00, +16.00] |"
    assert row in text_of(tables, "gap")


def test_leakage_names_what_a_split_should_keep_apart(tables):
    rows = read(tables, "leakage").set_index("protocol")
    columns = ["n", "shares_dialogue", "shares_text"]
    assert rows.loc["as_published", columns].tolist() == [100, 90, 12]
    assert rows["leaks"].fillna("").to_dict() == {"as_published": "dialogues", "clean": ""}
    counts = "0 (0.0 %) | 1 (1.0 %) | 12 (12.0 %) | 90 (90.0 %) | 95 (95.0 %)"
    assert f"| as published | 100 | {counts} | dialogues |" in text_of(tables, "leakage")


def test_leakage_of_speakers_without_names_is_unknown(tmp_path, make_scores, write_scores):
    scores = joined(
        make_scores(SYSTEMS, PAPER, "meld", "as_published", classes=SIX),
        leakage(PAPER, "as_published", 90),
    )
    named = scores.corpora["fact"] != "shares_speaker"
    scores = replace(scores, corpora=scores.corpora[named])
    build(write_scores(scores), REPORTED, tmp_path / "tables")
    assert "| 90 (90.0 %) | unknown | dialogues |" in text_of(tmp_path / "tables", "leakage")
    assert "| 90.0 | unknown | dialogues |" in (tmp_path / "tables/overall/leakage.md").read_text()


def test_index_lists_the_tables_of_both_tasks(tables):
    entry = entry_of(tables, PAPER, "meld")
    places = [
        entry.tables.index(f"meld-{name}")
        for name in ("claims-clean", "gap", "leakage", "test-as_published")
    ]
    assert places == sorted(places)
    claims = [line for line in entry.headlines if line.startswith("Claims of the paper")]
    assert len(claims) == 2
