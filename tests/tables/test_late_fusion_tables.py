"""Tables 1-10 of weighted_late_fusion, in the paper's shape, from scores made by hand."""

from collections import Counter

import pandas as pd
import pytest
from support import REPORTED

from merflow.tables import overview, paper_tables, verdicts
from merflow.tables.claims import load_claims
from merflow.tables.comparison import Comparison
from merflow.tables.reported import load

PRINTED = load(REPORTED, "weighted_late_fusion")
LOSSES = {
    "text_bert_8": (1.1, 1.2),
    "text_bert_16": (1.0, 1.05),
    "text_roberta_16": (1.0,),
    "text_roberta_16_context": (0.9, 0.95),
}
SYSTEMS = {
    **{name: {"all": 0.5} for name in LOSSES},
    "audio_wav2vec2": {"all": 0.3, "macro_precision": 0.4},
    "video_clip": {"all": 0.2},
    "video_clip_max": {"all": 0.21, "weighted_f1": 0.22},
    "late_fusion": {"accuracy": 0.55, "weighted_f1": 0.53},
    "late_fusion_calibrated": {"all": 0.54},
}


@pytest.fixture
def view_of(make_scores):
    """The paper beside scores of the test and the dev part."""

    def make(systems=SYSTEMS, **changes):
        about = {"paper": "weighted_late_fusion", "corpus": "meld", **changes}
        dev = {name: {"all": 0.45, "weighted_f1": 0.44} for name in systems}
        frames = [
            make_scores(systems, trained=LOSSES, **about),
            make_scores(dev, split="dev", **about),
        ]
        ours = pd.concat([frames[0], frames[1][frames[1]["system"] != "corpus"]])
        return Comparison("weighted_late_fusion", "meld", PRINTED, ours, 0.95)

    return make


@pytest.fixture
def tables(view_of):
    return {
        table.name.removeprefix("meld-table-"): table for table in paper_tables.tables(view_of())
    }


def rows(table):
    """Cells by label, then by group and header."""
    heads = [
        f"{column.group}: {column.header}" if column.group else column.header
        for column in table.columns
    ]
    return {cells[0]: dict(zip(heads, cells, strict=True)) for cells in table.cells}


def test_every_table_stands_in_the_papers_order(tables):
    assert list(tables) == [
        "1",
        *(f"{number}-clean" for number in (2, 3, 4, 5, 7, 8, 9, 10)),
    ]  # of Table 6 nothing ran


def test_table_1_has_the_split(tables):
    table = tables["1"]
    (row,) = rows(table).values()
    assert row == {
        "row": "No of Samples",
        **{"Train: printed": "9989", "Train: ours": "300", "Train: difference": "−9689"},
        **{
            "Validation: printed": "1112",
            "Validation: ours": "50",
            "Validation: difference": "−1062",
        },
        **{"Test: printed": "4807", "Test: ours": "100", "Test: difference": "−4707"},
    }
    assert (table.title, table.caption) == (
        "Table 1 of the paper, meld (official).",
        "Utterances of a part.",
    )
    assert table.notes == (
        "Difference: ours minus printed.",
        "Validation: the official dev part has 1109 annotated utterances, 1112 is the number of its clips.",
        "Test: the official test part has 2610 annotated utterances, 4807 is unexplained.",
    )


def test_tables_2_and_4_have_settings_losses_and_dev_scores(tables):
    bert = rows(tables["2-clean"])
    assert list(bert) == [f"batch size {size} (text_bert_{size})" for size in (8, 16, 32)] + [
        "majority",
        "chance",
    ]
    assert [cell for head, cell in bert["batch size 8 (text_bert_8)"].items() if ": " in head] == [
        *("8", "8", "2e-4", "2.5e-5", "0.01", "0"),  # printed and ours: no difference of settings
        *("0.7223", "0.5750 ± 0.0354", "−0.1473", "1.1372", "1.1500 ± 0.0707", "+0.0128"),
        *("65.17", "45.00 ± 0.00", "−20.17", "63.55", "44.00 ± 0.00", "−19.55"),
        *("62.61", "45.00 ± 0.00", "−17.61", "65.17", "45.00 ± 0.00", "−20.17"),
    ]
    absent, majority = bert["batch size 32 (text_bert_32)"], bert["majority"]
    assert [
        absent[f"{head}: ours"]
        for head in ("Batch Size", "Training Loss (loss on train)", "F1 (weighted F1)")
    ] == ["not run"] * 3
    assert [
        majority[f"{head}: ours"]
        for head in ("Batch Size", "Validation Loss (loss on dev)", "Accuracy")
    ] == ["–", "–", "10.00 ± 0.00"]
    assert not any("interval" in head for head in absent)
    roberta = rows(tables["4-clean"])
    assert (
        roberta["batch size 16 (text_roberta_16)"]["Validation Loss (loss on dev): ours"]
        == "1.0000"
    )  # one seed
    assert (
        roberta["text_roberta_16_context"]["Validation Loss (loss on dev): ours"]
        == "0.9250 ± 0.0354"
    )
    frame = tables["2-clean"].frame.set_index("system")
    assert frame.loc[
        "text_bert_8", ["printed_Learning Rate", "Learning Rate", "printed_Validation Loss"]
    ].tolist() == [
        2e-4,
        2.5e-5,
        1.1372,
    ]
    assert frame.loc["text_bert_8", ["printed_F1", "F1"]].tolist() == [0.6355, 0.44]


def test_a_variant_stands_in_the_tables_of_its_system(tables):
    variants = {"text_roberta_16_context", "video_clip_max", "late_fusion_calibrated"}
    stands = {
        name: sorted(variants & set(table.frame["system"]))
        for name, table in tables.items()
        if name != "1"
    }
    assert stands == {
        **{f"{number}-clean": [] for number in (2, 3, 8)},
        **{f"{number}-clean": ["text_roberta_16_context"] for number in (4, 5, 7)},
        "9-clean": ["video_clip_max"],
        "10-clean": sorted(variants),
    }


def test_tables_8_and_9_are_classification_reports_with_the_majority_beside(tables):
    audio = rows(tables["8-clean"])
    lines = ("Accuracy", "Macro Avg", "Weighted Avg")
    assert list(audio) == [
        f"{line} ({system})"
        for system in ("audio_wav2vec2", "majority", "chance")
        for line in lines
    ]
    groups = list(
        dict.fromkeys(
            head.partition(": ")[0] for head in audio["Accuracy (majority)"] if ": " in head
        )
    )
    assert groups == [
        *(
            "Precision (macro precision, weighted precision)",
            "Recall (UAR, weighted recall)",
            "F1-Score (accuracy, macro F1, weighted F1)",
        ),
    ]
    figures = [
        [
            audio[f"{line} (audio_wav2vec2)"][f"{head}: {column}"]
            for head in groups
            for column in ("printed", "ours")
        ]
        for line in lines
    ]
    assert figures == [
        ["–", "–", "–", "–", "34", "30.00 ± 0.00"],
        ["52", "40.00 ± 0.00", "15", "30.00 ± 0.00", "10", "30.00 ± 0.00"],
        ["59", "30.00 ± 0.00", "34", "30.00 ± 0.00", "25", "30.00 ± 0.00"],
    ]
    assert audio["Accuracy (majority)"][f"{groups[2]}: ours"] == "10.00 ± 0.00"
    assert (
        audio["Accuracy (majority)"][f"{groups[0]}: ours"] == "–"
    )  # the paper prints no precision there
    video = tables["9-clean"].frame.set_index("label")
    assert video.loc["Weighted Avg (video_clip_max)", ["Precision", "F1-Score"]].tolist() == [
        0.21,
        0.22,
    ]


def test_table_10_mixes_measures_and_shows_each_in_full(tables):
    table = tables["10-clean"].frame.set_index("system")
    fusion = table.loc[
        "late_fusion", ["printed_F1 Score", "F1 Score", "F1 Score_accuracy", "F1 Score_weighted_f1"]
    ]
    assert fusion.tolist() == [0.45, 0.53, 0.55, 0.53]
    assert table.loc["video_clip_max", ["F1 Score_metric", "F1 Score"]].tolist() == [
        "weighted_f1",
        0.22,
    ]  # as that of video_clip
    assert (
        table.loc["majority", "F1 Score_metric"] == ""
        and table.loc["majority", "F1 Score_accuracy"] == 0.1
    )
    assert list(table.index[:4]) == [
        "text_roberta_16",
        "audio_wav2vec2",
        "video_clip",
        "late_fusion",
    ]


def test_demo_figures_are_never_subtracted(view_of):
    for table in paper_tables.tables(view_of(source="demo")):
        assert table.frame.filter(like="_difference").isna().all(axis=None), table.name


def test_significance_is_told_by_both_tests(view_of):
    table = overview.paired(view_of())
    fusion = table.frame.set_index("system").loc["late_fusion - text_roberta_16"]
    assert fusion[["value", "low", "high", "p"]].tolist() == pytest.approx([0.03, 0.01, 0.05, 0.04])
    assert fusion["accuracy"] == pytest.approx(0.05)
    assert fusion[["mcnemar_smallest", "mcnemar_largest", "mcnemar_seeds", "verdict"]].tolist() == [
        0.03,
        0.2,
        2,
        "late_fusion is better",
    ]
    shown = rows(table)["late_fusion - text_roberta_16"]
    stored = "text_roberta_16 - late_fusion"  # of which the counts are 17 : 5 and 12 : 8
    assert list(SYSTEMS).index("text_roberta_16") < list(SYSTEMS).index(
        "late_fusion"
    ) and stored not in rows(table)
    assert (shown["accuracy: McNemar's p"], shown["accuracy: right alone"]) == (
        "0.030 to 0.200",
        "5 : 17 to 8 : 12",
    )
    assert any("takes utterances for independent draws" in note for note in table.notes)


def test_one_seed_has_one_test_and_none_in_common_none(make_scores):
    ours = make_scores(SYSTEMS, "weighted_late_fusion", "meld")
    of_seeds = ours["seed"].notna() & ours["system"].str.contains(" - ")
    gone = of_seeds & ((ours["seed"] == 2) | (ours["system"] == "text_bert_8 - late_fusion"))
    view = Comparison("weighted_late_fusion", "meld", PRINTED, ours[~gone], 0.95)
    pairs = {frozenset(("text_bert_16", "text_bert_8")), frozenset(("late_fusion", "text_bert_8"))}
    shown = rows(overview.paired(view, pairs))
    assert shown["text_bert_16 - text_bert_8"]["accuracy: McNemar's p"] == "0.030"
    assert shown["text_bert_16 - text_bert_8"]["accuracy: right alone"] == "5 : 17"
    none = shown["late_fusion - text_bert_8"]
    assert (
        none["accuracy: McNemar's p"] == none["accuracy: right alone"] == ""
        and none["weighted F1: p"] == "0.040"
    )


@pytest.mark.parametrize(("clips", "why"), [(0, "no clips of meld here, and "), (1, "")])
def test_a_system_that_was_not_run_says_why_as_far_as_scores_know(view_of, clips, why):
    view = view_of({"text_roberta_16": {"all": 0.6}}, clips=clips)
    absent = overview.test(view).frame.query("kind == 'absent'")
    assert {"audio_wav2vec2", "video_clip", "late_fusion"} < set(absent["system"])
    assert (
        absent["note"]
        .str.startswith(f"not run: {why}params.yaml does not ask for it (run.weighted_late_fusion)")
        .all()
    )


def test_every_claim_can_be_judged_once_all_its_systems_ran(view_of):
    claims = load_claims(REPORTED, "weighted_late_fusion", PRINTED)
    systems = {
        name: {"all": 0.5}
        for name in dict.fromkeys(PRINTED.query("table != 'text'")["system"])
        if name.islower()
    } | SYSTEMS
    judged = verdicts.table(view_of(systems), claims).frame.set_index("id")["clean_verdict"]
    assert len(judged) == 16 and not {"not run", "not compared"} & set(judged)
    assert judged[["fusion_over_text", "text_best_single", "bert_8_higher_dev_loss"]].tolist() == [
        "supported",
        "supported",
        "inconclusive",
    ]
    assert Counter(judged)["refuted"] > 0
