"""Tables 1-10 of weighted_late_fusion, in the paper's shape, from scores made by hand."""

from collections import Counter
from dataclasses import replace

import pytest
from support import REPORTED
from support.built_tables import cells_of
from support.score_tables import comparison_of, joined

from merflow.tables import differences, overview, paper_tables, verdicts
from merflow.tables.claims import load_claims
from merflow.tables.comparison import comparisons
from merflow.tables.reported import load

PAPER = "weighted_late_fusion"
PRINTED = load(REPORTED, PAPER)
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
def make(make_scores):
    """Scores of systems on the test and dev splits of MELD."""

    def make(systems=SYSTEMS, **changes):
        on_dev = {name: {"all": 0.45, "weighted_f1": 0.44} for name in systems}
        return joined(
            make_scores(systems, PAPER, "meld", trained=LOSSES, **changes),
            make_scores(on_dev, PAPER, "meld", split="dev", **changes),
        )

    return make


def compared(scores):
    return comparison_of(PAPER, "meld", PRINTED, scores)


@pytest.fixture
def tables(make):
    comparison = compared(make())
    return {
        table.name.removeprefix("meld-table-"): table for table in paper_tables.tables(comparison)
    }


def test_every_table_stands_in_the_papers_order(tables):
    # Of Table 6 nothing ran.
    assert list(tables) == ["1", *(f"{number}-clean" for number in (2, 3, 4, 5, 7, 8, 9, 10))]


def test_table_1_has_the_split(tables):
    table = tables["1"]
    (row,) = cells_of(table).values()
    figures = {
        "Train": ("9989", "300", "−9689"),
        "Validation": ("1112", "50", "−1062"),
        "Test": ("4807", "100", "−4707"),
    }
    assert row == {"row": "No of Samples"} | {
        f"{split}: {column}": value
        for split, values in figures.items()
        for column, value in zip(("printed", "ours", "difference"), values, strict=True)
    }
    assert table.title == "Table 1 of the paper, meld (official)."
    assert table.caption == "Utterances of a split."
    assert table.notes == (
        "Difference: ours minus printed.",
        "Validation: the official dev split has 1109 annotated utterances, 1112 is the number of"
        " its clips.",
        "Test: the official test split has 2610 annotated utterances, 4807 is unexplained.",
    )


def test_tables_2_and_4_have_settings_losses_and_dev_scores(tables):
    bert = cells_of(tables["2-clean"])
    rows = [f"batch size {size} (text_bert_{size})" for size in (8, 16, 32)]
    assert list(bert) == [*rows, "majority", "chance"]
    assert [cell for head, cell in bert[rows[0]].items() if ": " in head] == [
        *("8", "8", "2e-4", "2.5e-5", "0.01", "0"),  # printed and ours: settings have no difference
        *("0.7223", "0.5750 ± 0.0354", "−0.1473", "1.1372", "1.1500 ± 0.0707", "+0.0128"),
        *("65.17", "45.00 ± 0.00", "−20.17", "63.55", "44.00 ± 0.00", "−19.55"),
        *("62.61", "45.00 ± 0.00", "−17.61", "65.17", "45.00 ± 0.00", "−20.17"),
    ]
    absent, majority = bert[rows[2]], bert["majority"]
    heads = ("Batch Size", "Training Loss (loss on train)", "F1 (weighted F1)")
    assert [absent[f"{head}: ours"] for head in heads] == ["not run"] * 3
    heads = ("Batch Size", "Validation Loss (loss on dev)", "Accuracy")
    assert [majority[f"{head}: ours"] for head in heads] == ["–", "–", "10.00 ± 0.00"]
    assert not any("interval" in head for head in absent)
    roberta, loss = cells_of(tables["4-clean"]), "Validation Loss (loss on dev): ours"
    one_seed, two_seeds = "batch size 16 (text_roberta_16)", "text_roberta_16_context"
    assert (roberta[one_seed][loss], roberta[two_seeds][loss]) == ("1.0000", "0.9250 ± 0.0354")
    row = tables["2-clean"].frame.set_index("system").loc["text_bert_8"]
    settings = ["printed_Learning Rate", "Learning Rate", "printed_Validation Loss"]
    assert row[settings].tolist() == [2e-4, 2.5e-5, 1.1372]
    assert row[["printed_F1", "F1"]].tolist() == [0.6355, 0.44]


def test_a_variant_stands_in_the_tables_of_its_system(tables):
    variants = {"text_roberta_16_context", "video_clip_max", "late_fusion_calibrated"}
    in_tables = {
        name: sorted(variants & set(table.frame["system"]))
        for name, table in tables.items()
        if name != "1"
    }
    assert in_tables == {
        **{f"{number}-clean": [] for number in (2, 3, 8)},
        **{f"{number}-clean": ["text_roberta_16_context"] for number in (4, 5, 7)},
        "9-clean": ["video_clip_max"],
        "10-clean": sorted(variants),
    }


def test_tables_8_and_9_are_classification_reports(tables):
    audio = cells_of(tables["8-clean"])
    lines = ("Accuracy", "Macro Avg", "Weighted Avg")
    systems = ("audio_wav2vec2", "majority", "chance")
    assert list(audio) == [f"{line} ({system})" for system in systems for line in lines]
    heads = (head.partition(": ")[0] for head in audio["Accuracy (majority)"] if ": " in head)
    groups = list(dict.fromkeys(heads))
    assert groups == [
        "Precision (macro precision, weighted precision)",
        "Recall (UAR, weighted recall)",
        "F1-Score (accuracy, macro F1, weighted F1)",
    ]
    figures = [
        [
            audio[f"{line} (audio_wav2vec2)"][f"{group}: {column}"]
            for group in groups
            for column in ("printed", "ours")
        ]
        for line in lines
    ]
    assert figures == [
        ["–", "–", "–", "–", "34", "30.00 ± 0.00"],
        ["52", "40.00 ± 0.00", "15", "30.00 ± 0.00", "10", "30.00 ± 0.00"],
        ["59", "30.00 ± 0.00", "34", "30.00 ± 0.00", "25", "30.00 ± 0.00"],
    ]
    majority = audio["Accuracy (majority)"]
    assert majority[f"{groups[2]}: ours"] == "10.00 ± 0.00"
    assert majority[f"{groups[0]}: ours"] == "–"  # the paper prints no precision there
    video = tables["9-clean"].frame.set_index("label")
    row = video.loc["Weighted Avg (video_clip_max)", ["Precision", "F1-Score"]]
    assert row.tolist() == [0.21, 0.22]


def test_table_10_mixes_measures_and_has_each_in_full(tables):
    table = tables["10-clean"].frame.set_index("system")
    columns = ["printed_F1 Score", "F1 Score", "F1 Score_accuracy", "F1 Score_weighted_f1"]
    assert table.loc["late_fusion", columns].tolist() == [0.45, 0.53, 0.55, 0.53]
    # A variant has the measure of its system.
    metric = ["F1 Score_metric", "F1 Score"]
    assert table.loc["video_clip_max", metric].tolist() == ["weighted_f1", 0.22]
    majority = table.loc["majority", ["F1 Score_metric", "F1 Score_accuracy"]]
    assert majority.tolist() == ["", 0.1]
    systems = ["text_roberta_16", "audio_wav2vec2", "video_clip", "late_fusion"]
    assert list(table.index[:4]) == systems


def test_demo_scores_are_never_subtracted(make):
    for table in paper_tables.tables(compared(make(source="demo"))):
        assert table.frame.filter(like="_difference").isna().all(axis=None), table.name


def test_a_verdict_needs_a_corrected_p_below_the_level(make):
    scores = make()
    differences_of = scores.differences
    for p, verdict in ((0.06, "inconclusive"), (0.049, "late_fusion is better")):
        changed = replace(scores, differences=differences_of.assign(p_corrected=p))
        table = differences.table(compared(changed))
        row = table.frame.set_index(["first", "second"]).loc[("late_fusion", "text_roberta_16")]
        assert (row["low"] > 0, row["p_corrected"], row["verdict"]) == (True, p, verdict)


def test_significance_is_told_by_both_tests(make):
    table = differences.table(compared(make()))
    fusion = table.frame.set_index(["first", "second"]).loc[("late_fusion", "text_roberta_16")]
    difference = fusion[["value", "low", "high", "p"]].tolist()
    assert difference == pytest.approx([0.03, 0.01, 0.05, 0.04])
    assert fusion["accuracy"] == pytest.approx(0.05)
    columns = ["mcnemar_smallest", "mcnemar_largest", "mcnemar_seeds", "verdict"]
    assert fusion[columns].tolist() == [0.03, 0.2, 2, "late_fusion is better"]
    # Scores hold text_roberta_16 - late_fusion, with counts 17 : 5 and 12 : 8.
    cells = cells_of(table)
    assert "text_roberta_16 - late_fusion" not in cells
    row = cells["late_fusion - text_roberta_16"]
    assert row["accuracy: McNemar's p"] == "0.030 to 0.200"
    assert row["accuracy: correct alone"] == "5 : 17 to 8 : 12"
    assert any("takes utterances for independent draws" in note for note in table.notes)


def test_one_common_seed_has_one_test_and_none_has_none(make_scores):
    scores = make_scores(SYSTEMS, PAPER, "meld")
    rows = scores.differences
    no_common_seed = (rows["first"] == "text_bert_8") & (rows["second"] == "late_fusion")
    dropped = rows["seed"].notna() & ((rows["seed"] == 2) | no_common_seed)
    comparison = compared(replace(scores, differences=rows[~dropped]))
    pairs = {frozenset((name, "text_bert_8")) for name in ("text_bert_16", "late_fusion")}
    cells = cells_of(differences.table(comparison, pairs))
    bert = cells["text_bert_16 - text_bert_8"]
    assert (bert["accuracy: McNemar's p"], bert["accuracy: correct alone"]) == ("0.030", "5 : 17")
    fusion = cells["late_fusion - text_bert_8"]
    assert fusion["accuracy: McNemar's p"] == fusion["accuracy: correct alone"] == ""
    assert fusion["weighted F1: p"] == "0.040"


MODALITIES = {
    "bert": ["text"],
    "audio": ["audio"],
    "video": ["video"],
    "fusion": ["audio", "text", "video"],
}


@pytest.mark.parametrize("clips", [0, 1])
def test_reasons_tell_no_clips_from_disabled(make, clips):
    scores = make({"text_roberta_16": {"all": 0.6}}, clips=clips)
    (comparison,) = comparisons(PAPER, "meld", PRINTED, scores, {PAPER: MODALITIES})
    absent = overview.test(comparison).frame.query("kind == 'absent'")
    reasons = {
        system: note.partition(";")[0]
        for system, note in zip(absent["system"], absent["note"], strict=True)
    }
    disabled = "not run: disabled in params.yaml (run.weighted_late_fusion.{})".format
    assert reasons["text_bert_32"] == disabled("bert")
    no_clips = "not run: MELD has no clips here"
    of_clips = {"audio_wav2vec2": "audio", "video_clip": "video", "late_fusion": "fusion"}
    for system, group in of_clips.items():
        assert reasons[system] == (disabled(group) if clips else no_clips)


def test_every_claim_can_be_judged_once_all_systems_ran(make):
    claims = load_claims(REPORTED, PAPER, PRINTED)
    printed = dict.fromkeys(PRINTED.query("table != 'text'")["system"])
    names = [*filter(str.islower, printed), "text_roberta_16_low_rate"]
    systems = {name: {"all": 0.5} for name in names} | SYSTEMS
    frame = verdicts.table(compared(make(systems)), claims).frame
    judged = frame.set_index("id")["clean_verdict"]
    over_epochs = judged.pop("bert_improves_over_epochs")  # no history in these scores
    assert over_epochs == "not run"
    assert len(judged) == 21 and not {"not run", "not compared"} & set(judged)
    names = ["fusion_over_text", "text_best_single", "bert_8_higher_dev_loss"]
    assert judged[names].tolist() == ["supported", "supported", "inconclusive"]
    assert Counter(judged)["refuted"] > 0
