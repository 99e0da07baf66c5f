"""Tables about all papers: systems of several papers side by side, their claims, what their protocols let test share with train."""

import json
import shutil

import pandas as pd
import pytest
from support import REPORTED

from merflow import artifacts
from merflow.tables import cross, protocols, verdicts
from merflow.tables.claims import load_claims
from merflow.tables.compare import build
from merflow.tables.comparison import views
from merflow.tables.overall import Studied, tables
from merflow.tables.render import markdown
from merflow.tables.reported import load as load_printed

LATE = {"text_bert_8": {"all": 0.4}, "late_fusion": {"all": 0.7}}
MEL = {"text": {"all": 0.5}, "fusion": {"all": 0.6}}
SIX = ("neutral", "joy", "surprise", "anger", "sadness", "disgust")


@pytest.fixture
def overall(make_scores):
    """Makes the tables about all papers from scores on MELD; returns a reader of them: a frame, or with .md the Markdown."""

    def make(*frames, papers=("weighted_late_fusion", "mel_cnn_bert")):
        scores, studied = pd.concat(frames), []
        for paper in papers:
            printed = load_printed(REPORTED, paper)
            claims = load_claims(REPORTED, paper, printed)
            for corpus in dict.fromkeys(["meld", *printed["corpus"]]):
                ours = scores[(scores["paper"] == paper) & (scores["corpus"] == corpus)]
                found = views(paper, corpus, printed, ours, 0.95)
                judged = [
                    verdicts.table(view, [claim for claim in claims if corpus in claim.corpora])
                    for view in found
                ]
                gap = protocols.gap(found, ours[ours["protocol"].str.contains(" - ")])
                studied.append(Studied(found, judged, gap, protocols.leakage(found)))
        every = [*cross.tables([view for one in studied for view in one.views]), *tables(studied)]
        named = {table.name: table for table in every}
        return lambda name: (
            markdown(named[name[:-3]].rendered) if name.endswith(".md") else named[name].frame
        )

    make.scores = lambda systems, paper, **more: make_scores(
        systems, paper=paper, corpus="meld", **more
    )
    return make


def test_systems_of_two_papers_stand_in_one_table_the_best_first(overall):
    read = overall(
        overall.scores(LATE, "weighted_late_fusion"), overall.scores(MEL, "mel_cnn_bert")
    )
    table = read("cross-meld")
    assert table["system"].tolist() == [
        "late_fusion",
        "fusion",
        "text",
        "text_bert_8",
        "majority",
        "chance",
    ]
    assert table["paper"].fillna("").tolist() == [
        "weighted_late_fusion",
        "mel_cnn_bert",
        "mel_cnn_bert",
        "weighted_late_fusion",
        "",
        "",
    ]
    assert table["weighted_f1"].tolist() == [0.7, 0.6, 0.5, 0.4, 0.1, 0.1] and table[
        "seeds"
    ].tolist()[:4] == [2, 2, 2, 2]
    shown = read("cross-meld.md")
    assert "| late_fusion | weighted_late_fusion | 70.00 ± 0.00 | [68.00, 72.00] |" in shown
    assert shown.startswith("## All systems, clean, one of 7 classes, meld (official).")


def test_other_classes_are_another_question_with_a_table_of_its_own(overall):
    read = overall(
        overall.scores(LATE, "weighted_late_fusion"),
        overall.scores(MEL, "mel_cnn_bert", classes=SIX),
    )
    six, seven = read("cross-meld-1"), read("cross-meld-2")
    assert six["system"].tolist() == [
        "fusion",
        "text",
        "majority",
        "chance",
    ] and "one of 6 classes" in read("cross-meld-1.md")
    assert seven["system"].tolist() == [
        "late_fusion",
        "text_bert_8",
        "majority",
        "chance",
    ] and "one of 7" in read("cross-meld-2.md")
    whole = read("cross").set_index(["paper", "system"])
    assert whole.loc[("mel_cnn_bert", "fusion"), ["cross-meld-1", "cross-meld-2"]].fillna(
        -1
    ).tolist() == [0.6, -1]


def test_another_test_part_is_another_question(overall):
    other = overall.scores(MEL, "mel_cnn_bert")
    other.loc[(other["system"] == "corpus") & (other["metric"] == "count"), "value"] = 99
    read = overall(overall.scores(LATE, "weighted_late_fusion"), other)
    papers = [set(read(name)["paper"]) - {""} for name in ("cross-meld-1", "cross-meld-2")]
    assert papers == [{"mel_cnn_bert"}, {"weighted_late_fusion"}]


def test_who_left_utterances_out_shows_how_many(overall):
    mine = overall.scores(LATE, "weighted_late_fusion")
    mine.loc[mine["system"] == "late_fusion", "n"] = 93
    assert "| 93 of 100 |" in overall(mine, overall.scores(MEL, "mel_cnn_bert"))("cross-meld.md")


def test_what_could_run_but_did_not_is_said_with_the_reason(overall):
    published = overall.scores(
        {"video_clip": {"all": 0.9}}, "weighted_late_fusion", protocol="as_published"
    )
    read = overall(
        overall.scores(LATE, "weighted_late_fusion"), published, overall.scores(MEL, "mel_cnn_bert")
    )
    whole = read("cross").set_index(["paper", "system"])
    assert (
        whole.loc[("weighted_late_fusion", "video_clip"), "cross-meld_why"]
        == "not run under clean, but as published"
    )
    why = "not run: params.yaml does not ask for it (run.weighted_late_fusion)"
    assert whole.loc[("weighted_late_fusion", "text_bert_16"), "cross-meld_why"] == why
    assert whole.loc[("mel_cnn_bert", "fusion"), "cross-mosei_why"].startswith(
        "not run"
    )  # the paper prints figures there
    assert (whole["cross-mosei_why"].xs("weighted_late_fusion") == "").all()  # it does not
    assert "video_clip" not in read("cross-meld")["system"].tolist()
    assert "- weighted_late_fusion: video_clip: not run under clean, but as published." in read(
        "cross-meld.md"
    )


def test_demo_figures_are_named_in_every_table_about_all_papers(
    tmp_path, make_scores, write_scores
):
    (tmp_path / "reported").mkdir()
    for file in REPORTED.glob("weighted_late_fusion.*"):
        shutil.copy(file, tmp_path / "reported")
    scores = make_scores(LATE, paper="weighted_late_fusion", corpus="meld", source="demo")
    build(write_scores(scores), tmp_path / "reported", tmp_path / "tables")
    names = [
        table["name"]
        for table in json.loads((tmp_path / "tables/index.json").read_text())["overall"]
    ]
    assert {"cross", "cross-meld", "claims"} <= set(names)
    for name in ("cross", "cross-meld", "claims"):
        head, *shown = (tmp_path / f"tables/overall/{name}.md").read_text().splitlines()
        assert "demo corp" in head and any(line.startswith("- Demo: ") for line in shown), name


def test_claims_of_all_papers_stand_with_effect_and_interval(overall):
    read = overall(
        overall.scores(
            LATE | {"audio_wav2vec2": {"all": 0.3}, "video_clip": {"all": 0.2}},
            "weighted_late_fusion",
        )
    )
    claims = read("claims").set_index(["paper", "id"])
    row = claims.loc["weighted_late_fusion"][
        lambda rows: rows["claim"] == "Audio beats video."
    ].iloc[0]
    assert row["clean_verdict"] == "supported"
    assert (row["clean_effect"], row["clean_low"], row["clean_high"]) == pytest.approx(
        (0.1, 0.08, 0.12)
    )
    assert (
        "| Audio beats video. | fails: audio_wav2vec2 25 = video_clip 25 (F1-Score) | supported |"
        in read("claims.md")
    )
    assert "+10.00 [+8.00, +12.00]" in read("claims.md")
    assert set(claims.loc["mel_cnn_bert", "clean_verdict"].dropna()) <= {"not run", "not compared"}


def test_leakage_stands_beside_the_gap_that_it_may_explain(overall):
    mine = [
        overall.scores(LATE, "weighted_late_fusion", protocol=name)
        for name in ("as_published", "clean")
    ]
    shared = {
        "source": "official",
        "classes": 7,
        "n": 100,
        "paper": "weighted_late_fusion",
        "corpus": "meld",
    }
    leaks = [
        shared
        | {
            "system": "corpus",
            "protocol": name,
            "split": "test",
            "metric": f"shares_{what}",
            "value": count,
        }
        for name, dialogues in (("as_published", 90), ("clean", 0))
        for what, count in (
            ("clip", 0),
            ("origin", 1),
            ("text", 12),
            ("dialogue", dialogues),
            ("speaker", 95),
        )
    ]
    gaps = [
        shared
        | {
            "system": name,
            "protocol": "as_published - clean",
            "split": "paired",
            "metric": "weighted_f1",
            "value": value,
        }
        for name, value in (("text_bert_8", 0.1), ("late_fusion", 0.3))
    ]
    more = pd.DataFrame([*leaks, *gaps], columns=artifacts.SCORES.names).astype(
        {"fold": "Int32", "seed": "Int32"}
    )
    read = overall(*mine, more, papers=["weighted_late_fusion"])
    rows = read("leakage").set_index("protocol")
    assert rows["shares_dialogue"].to_dict() == {"as_published": 90, "clean": 0}
    gap = rows.loc[
        "as_published", ["gap_median", "gap_lowest", "gap_highest", "gap_systems"]
    ].tolist()
    assert gap == pytest.approx([0.2, 0.1, 0.3, 2]) and pd.isna(rows.loc["clean", "gap_median"])
    assert (
        "| 0.0 | 1.0 | 12.0 | 90.0 | 95.0 | dialogues | weighted F1 | +20.00 | [+10.00, +30.00] | 2 |"
        in read("leakage.md")
    )
