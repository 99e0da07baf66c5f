"""Tables about all papers: systems of several papers side by side, claims, leakage."""

import shutil
from dataclasses import replace

import pandas as pd
import pytest
from support import REPORTED
from support.score_tables import gaps, joined, leakage

from merflow.tables import cross, protocols, verdicts
from merflow.tables.claims import load_claims
from merflow.tables.compare import build
from merflow.tables.comparison import comparisons
from merflow.tables.index import Index
from merflow.tables.overall import CorpusTables, tables
from merflow.tables.render import markdown
from merflow.tables.reported import load as load_printed

FUSION, MEL = "weighted_late_fusion", "mel_cnn_bert"
FUSION_SYSTEMS = {"text_bert_8": {"all": 0.4}, "late_fusion": {"all": 0.7}}
MEL_SYSTEMS = {"text": {"all": 0.5}, "fusion": {"all": 0.6}}
SIX = ("neutral", "joy", "surprise", "anger", "sadness", "disgust")


def corpus_tables(paper, corpus, printed, claims, scores):
    by_task = comparisons(paper, corpus, printed, scores)
    on_corpus = [claim for claim in claims if corpus in claim.corpora]
    judged = [verdicts.table(comparison, on_corpus) for comparison in by_task]
    return CorpusTables(by_task, judged, protocols.gap(by_task), protocols.leakage(by_task))


def overall(*several, papers=(FUSION, MEL)):
    """Build the tables about all papers from scores on MELD; return them by name."""
    scores, every = joined(*several), []
    for paper in papers:
        printed = load_printed(REPORTED, paper)
        claims = load_claims(REPORTED, paper, printed)
        for corpus in dict.fromkeys(["meld", *printed["corpus"]]):
            ours = scores.of(paper, corpus)
            every.append(corpus_tables(paper, corpus, printed, claims, ours))
    all_comparisons = [comparison for of_corpus in every for comparison in of_corpus.comparisons]
    return {table.name: table for table in (*cross.tables(all_comparisons), *tables(every))}


def text_of(table):
    return markdown(table.rendered)


@pytest.fixture
def fusion(make_scores):
    """Scores of weighted_late_fusion on MELD."""
    return lambda systems=FUSION_SYSTEMS, **more: make_scores(systems, FUSION, "meld", **more)


@pytest.fixture
def mel(make_scores):
    """Scores of mel_cnn_bert on MELD."""
    return lambda **more: make_scores(MEL_SYSTEMS, MEL, "meld", **more)


def test_systems_of_two_papers_stand_in_one_table(fusion, mel):
    table = overall(fusion(), mel())["cross-meld"]
    frame = table.frame
    systems = ["late_fusion", "fusion", "text", "text_bert_8", "majority", "chance"]
    assert frame["system"].tolist() == systems
    assert frame["paper"].tolist() == [FUSION, MEL, MEL, FUSION, "", ""]
    assert frame["weighted_f1"].tolist() == [0.7, 0.6, 0.5, 0.4, 0.1, 0.1]
    assert frame["seeds"].tolist()[:4] == [2, 2, 2, 2]
    text = text_of(table)
    assert f"| late_fusion | {FUSION} | 70.00 ± 0.00 | [68.00, 72.00] |" in text
    assert text.startswith("## All systems, clean, one of 7 classes, meld (official).")


def test_other_classes_have_a_table_of_their_own(fusion, mel):
    tables = overall(fusion(), mel(classes=SIX))
    six, seven = tables["cross-meld-1"], tables["cross-meld-2"]
    assert six.frame["system"].tolist() == ["fusion", "text", "majority", "chance"]
    assert seven.frame["system"].tolist() == ["late_fusion", "text_bert_8", "majority", "chance"]
    assert "one of 6 classes" in text_of(six) and "one of 7 classes" in text_of(seven)
    whole = tables["cross"].frame.set_index(["paper", "system"])
    row = whole.loc[(MEL, "fusion")]
    assert row["cross-meld-1"] == 0.6 and pd.isna(row["cross-meld-2"])


def test_another_test_split_has_a_table_of_its_own(fusion, mel):
    scores = mel()
    facts = scores.corpora.copy()
    facts.loc[facts["fact"] == "count", "value"] = 99
    tables = overall(fusion(), replace(scores, corpora=facts))
    papers = [set(tables[name].frame["paper"]) - {""} for name in ("cross-meld-1", "cross-meld-2")]
    assert papers == [{MEL}, {FUSION}]


def test_fewer_utterances_are_shown(fusion, mel):
    scores = fusion()
    rows = scores.scores.copy()
    rows.loc[rows["system"] == "late_fusion", "n"] = 93
    tables = overall(replace(scores, scores=rows), mel())
    assert "| 93 of 100 |" in text_of(tables["cross-meld"])


def test_systems_that_were_not_run_stand_with_the_reason(fusion, mel):
    published = fusion({"video_clip": {"all": 0.9}}, protocol="as_published")
    tables = overall(fusion(), published, mel())
    whole = tables["cross"].frame.set_index(["paper", "system"])
    reasons = whole["cross-meld_why"]
    assert reasons[FUSION, "video_clip"] == "not run under clean, but as published"
    disabled = "not run: disabled in params.yaml (run.weighted_late_fusion.bert)"
    assert reasons[FUSION, "text_bert_16"] == disabled
    # mel_cnn_bert prints figures on CMU-MOSEI, weighted_late_fusion does not.
    assert whole.loc[(MEL, "fusion"), "cross-mosei_why"].startswith("not run")
    assert (whole["cross-mosei_why"].xs(FUSION) == "").all()
    assert "video_clip" not in tables["cross-meld"].frame["system"].tolist()
    note = f"- {FUSION}: video_clip: not run under clean, but as published."
    assert note in text_of(tables["cross-meld"])


def test_tables_of_all_papers_name_demo_corpora(tmp_path, fusion, write_scores):
    (tmp_path / "reported").mkdir()
    for file in REPORTED.glob(f"{FUSION}.*"):
        shutil.copy(file, tmp_path / "reported")
    build(write_scores(fusion(source="demo")), tmp_path / "reported", tmp_path / "tables")
    names = {"cross", "cross-meld", "claims"}
    assert names <= set(Index.read(tmp_path / "tables").overall)
    for name in names:
        title, *lines = (tmp_path / f"tables/overall/{name}.md").read_text().splitlines()
        assert "demo corp" in title and any(line.startswith("- Demo: ") for line in lines), name


def test_claims_stand_with_effect_and_interval(fusion):
    more = {"audio_wav2vec2": {"all": 0.3}, "video_clip": {"all": 0.2}}
    table = overall(fusion(FUSION_SYSTEMS | more))["claims"]
    claims = table.frame.set_index(["paper", "id"])
    (row,) = claims[claims["claim"] == "Audio beats video."].to_dict("records")
    assert row["clean_verdict"] == "supported"
    effect = (row["clean_effect"], row["clean_low"], row["clean_high"])
    assert effect == pytest.approx((0.1, 0.08, 0.12))
    printed = "fails: audio_wav2vec2 25 = video_clip 25 (F1-Score)"
    text = text_of(table)
    assert f"| Audio beats video. | {printed} | supported |" in text
    assert "+10.00 [+8.00, +12.00]" in text
    assert set(claims.loc[MEL, "clean_verdict"].dropna()) <= {"not run", "not compared"}


def test_leakage_stands_beside_the_protocol_gap(fusion):
    scores = [fusion(protocol=protocol) for protocol in ("as_published", "clean")]
    scores += [leakage(FUSION, "as_published", 90), leakage(FUSION, "clean", 0)]
    values = {("text_bert_8", "weighted_f1"): 0.1, ("late_fusion", "weighted_f1"): 0.3}
    scores.append(gaps(FUSION, values, paired=True))
    table = overall(*scores, papers=[FUSION])["leakage"]
    rows = table.frame.set_index("protocol")
    assert rows["shares_dialogue"].to_dict() == {"as_published": 90, "clean": 0}
    columns = ["gap_median", "gap_lowest", "gap_highest", "gap_systems"]
    assert rows.loc["as_published", columns].tolist() == pytest.approx([0.2, 0.1, 0.3, 2])
    assert pd.isna(rows.loc["clean", "gap_median"])
    gap = "weighted F1 | +20.00 | [+10.00, +30.00] | 2 |"
    assert f"| 0.0 | 1.0 | 12.0 | 90.0 | 95.0 | dialogues | {gap}" in text_of(table)
