"""Tables of what protocols differ in, and views of a corpus whose protocols ask different things."""

import json

import pandas as pd
import pytest
from support import REPORTED

from merflow import artifacts
from merflow.corpora.labels import CLASSES
from merflow.tables.compare import build

SYSTEMS = {
    "speech": {"all": 0.4},
    "text": {"all": 0.5},
    "fusion": {"all": 0.6},
    "concatenation": {"all": 0.55},
}
SIX = tuple(name for name in CLASSES["meld"] if name != "fear")
PAIR = "as_published - clean"


@pytest.fixture
def tables(tmp_path, make_scores, write_scores):
    """MELD with six classes as published, all under clean; a gap of one system, and what the parts share."""
    about = {"paper": "mel_cnn_bert", "corpus": "meld"}
    published, clean = (
        make_scores(SYSTEMS, **about, protocol=name, classes=classes)
        for name, classes in (("as_published", SIX), ("clean", None))
    )
    shared = {"source": "official", "classes": 6, "n": 100, **about}
    gaps = [
        {
            **shared,
            "system": "text",
            "protocol": PAIR,
            "split": "unpaired",
            "metric": metric,
            "value": 0.1,
            "low": 0.04,
            "high": 0.16,
        }
        for metric in ("accuracy", "weighted_f1")
    ]
    leaks = [
        {
            **shared,
            "system": "corpus",
            "protocol": protocol,
            "split": "test",
            "metric": f"shares_{what}",
            "value": count,
        }
        for protocol, dialogues in (("as_published", 90), ("clean", 0))
        for what, count in (
            ("clip", 0),
            ("origin", 1),
            ("text", 12),
            ("dialogue", dialogues),
            ("speaker", 95),
        )
    ]
    more = pd.DataFrame([*gaps, *leaks], columns=artifacts.SCORES.names).astype(
        {"fold": "Int32", "seed": "Int32"}
    )
    reported = tmp_path / "reported"
    reported.mkdir()
    for name in ("mel_cnn_bert.csv", "mel_cnn_bert.claims.yaml"):
        (reported / name).write_bytes((REPORTED / name).read_bytes())
    build(write_scores(pd.concat([published, clean, more])), reported, tmp_path / "tables")
    return tmp_path / "tables"


def read(tables, name, suffix="csv"):
    path = tables / "mel_cnn_bert" / f"meld-{name}.{suffix}"
    return pd.read_csv(path) if suffix == "csv" else path.read_text()


def test_protocols_that_ask_different_things_have_tables_of_their_own(tables):
    names = {
        path.stem.removeprefix("meld-") for path in (tables / "mel_cnn_bert").glob("meld-*.md")
    }
    for name in ("table-3", "claims", "test", "classes", "seeds", "differences"):
        assert {f"{name}-as_published", f"{name}-clean"} <= names and name not in names
    assert {"gap", "leakage"} <= names
    assert "fear" in read(tables, "classes-clean") and "fear" not in read(
        tables, "classes-as_published"
    )


def test_only_those_who_ask_what_the_paper_asks_are_set_against_it(tables):
    published, clean = (
        read(tables, f"table-3-{protocol}").set_index("system")
        for protocol in ("as_published", "clean")
    )
    assert published.loc["fusion", "WF1_difference"] == pytest.approx(0.6 - 0.6612)
    assert clean["WF1_difference"].isna().all()
    assert (
        read(tables, "table-3-clean", "md")
        .splitlines()[0]
        .endswith(", meld (official), 7 classes instead of 6.")
    )
    cited = {
        protocol: read(tables, f"claims-{protocol}").set_index("id").loc["meld_f1_over_cited"]
        for protocol in ("as_published", "clean")
    }
    assert cited["as_published"]["as_published_verdict"] == "refuted"
    assert cited["clean"]["clean_verdict"] == "not compared"


def test_formulas_stand_under_the_tables(tables):
    told = "balanced accuracy = mean of (TP / P + TN / N) / 2, that is (TP x N/P + TN) / 2N, over the classes, each against the rest"
    assert told in read(tables, "table-3-as_published", "md") and told in read(
        tables, "test-clean", "md"
    )


def test_gap_shows_both_protocols_and_their_difference(tables):
    gap = read(tables, "gap").set_index("system")
    assert set(gap.index) == {*SYSTEMS, "majority"}
    text = gap.loc["text"]
    assert (text["weighted_f1_first"], text["weighted_f1_second"], text["weighted_f1_gap"]) == (
        0.5,
        0.5,
        0.1,
    )
    assert (text["weighted_f1_gap_low"], text["weighted_f1_gap_high"], text["gap"]) == (
        0.04,
        0.16,
        "unpaired",
    )
    assert gap["weighted_f1_gap"].drop("text").isna().all()
    assert "| text | 50.00 ± 0.00 | 50.00 ± 0.00 | +10.00 | [+4.00, +16.00] |" in read(
        tables, "gap", "md"
    )


def test_leakage_counts_and_names_what_a_split_should_keep_apart(tables):
    leakage = read(tables, "leakage").set_index("protocol")
    assert leakage.loc["as_published", ["n", "shares_dialogue", "shares_text"]].tolist() == [
        100,
        90,
        12,
    ]
    assert leakage["leaks"].fillna("").to_dict() == {"as_published": "dialogues", "clean": ""}
    assert (
        "| as published | 100 | 0 (0.0 %) | 1 (1.0 %) | 12 (12.0 %) | 90 (90.0 %) | 95 (95.0 %) | dialogues |"
        in read(tables, "leakage", "md")
    )


def test_index_lists_the_tables_of_both(tables):
    entry = next(
        one
        for one in json.loads((tables / "index.json").read_text())["sections"]
        if one["corpus"] == "meld"
    )
    listed = [table["name"] for table in entry["tables"]]
    assert (
        listed.index("meld-claims-clean")
        < listed.index("meld-gap")
        < listed.index("meld-leakage")
        < listed.index("meld-test-as_published")
    )
    assert len([line for line in entry["headlines"] if line.startswith("Claims of the paper")]) == 2
