"""What the rules find in the printed numbers of the five papers: each finding by where it stands."""

from collections import Counter

import pandas as pd
import pytest
from support import REPORTED

from merflow import artifacts
from merflow.tables import audit
from merflow.tables.claims import load_claims
from merflow.tables.comparison import Comparison
from merflow.tables.render import render
from merflow.tables.reported import load

#: Paper and corpus -> lines "rule | how sure | places", several findings at one place as "x 2".
FOUND = {
    ("class_weight_lstm", "mosei"): """
        ratio of a class | likely | I. Introduction, sentence 19: surprise, imbalance
        gain of the worst | likely | Abstract, sentence 10: gain, multimodal
        sum of parts | hint | III.A Dataset, sentence 1: annotated segments
    """,
    ("deepmsi_mer", "iemocap"): """
        average of classes | certain | Table 1: DeepMSI-MER
        average of classes | likely | Table 1: DialogueGCN x 2; Table 1: RGAT; Table 1: DER-GCN x 2; Table 1: ELR-GCN x 2; Table 1: LR-GCN
        precision counts as 1 | likely | Table 1: DeepMSI-MER
        implied predictions | likely | Table 1: RGAT; Table 1: LR-GCN; Table 1: DeepMSI-MER
        implied predictions | hint | Table 1: ELR-GCN; Table 1: GS-MCC
        of another row | likely | 4.5 Ablation Study: visual features x 2
        whole utterances | hint | Table 1: SDT
        copied cell | hint | Table 3: T+V
    """,
    ("deepmsi_mer", "meld"): """
        F1 within bounds | certain | Table 2: A-DMN
        below the largest class | certain | Table 3: A
        average of classes | likely | Table 2: A-DMN; Table 2: DialogueGCN x 2; Table 2: RGAT x 2; Table 2: LR-GCN x 2
        average of classes | likely | Table 2: DER-GCN x 2; Table 2: ELR-GCN x 2; Table 2: GS-MCC x 2; Table 2: DeepMSI-MER
        precision counts as 1 | likely | Table 2: DeepMSI-MER
        implied predictions | likely | Table 2: A-DMN; Table 2: RGAT; Table 2: LR-GCN; Table 2: DER-GCN; Table 2: ELR-GCN; Table 2: GS-MCC
        implied predictions | likely | Table 2: DeepMSI-MER
        implied predictions | hint | Table 2: DialogueRNN
        of another row | likely | 4.5 Ablation Study: visual features
        copied pair | likely | Table 2: ELR-GCN
        claim beside its numbers | likely | 4.3 Comparison with State-of-the-Art Methods
        whole utterances | hint | Table 2: bc-LSTM; Table 2: A-DMN; Table 2: DialogueGCN; Table 2: DialogueRNN; Table 2: RGAT
        whole utterances | hint | Table 2: LR-GCN; Table 2: SDT; Table 2: GS-MCC; Table 2: DeepMSI-MER
    """,
    ("joint_cnn", "iemocap"): """
        claim beside its numbers | certain | 5.4 Results, sentence 15; 5.4 Results, sentence 18
    """,
    ("mel_cnn_bert", "meld"): """
        printed twice | certain | Table 3: Ours / Speech + Text x 2
    """,
    ("mel_cnn_bert", "mosei"): """
        printed twice | certain | Table 2: Ours / Speech + Text x 2
    """,
    ("weighted_late_fusion", "meld"): """
        below the largest class | certain | Table 8: Accuracy; Table 9: Accuracy; Table 10: A
        printed twice | certain | Table 2: batch size 8; Table 2: batch size 16
        under another name | certain | Table 10: T; Table 10: A; Multi-Modal Fusion Model: T
        under another name | certain | Results & Discussion, B. Audio Model Results: audio
        known size | likely | Table 1: No of Samples x 2
        claim beside its numbers | likely | Results & Discussion, A. Text Model Results, BERT Model Inference
        claim beside its numbers | likely | Multi-Modal Fusion Model; Conclusion
        whole utterances | hint | Table 2: batch size 8; Table 2: batch size 32; Table 4: batch size 16; Table 4: batch size 32
    """,
}
SILENT = {
    "share of a part",
    "shares add up",
    "confusions fit recall",
    "weighted recall is accuracy",
}


@pytest.fixture(scope="module")
def looked():
    done = {}
    for path in sorted(REPORTED.glob("*.csv")):
        printed = load(REPORTED, path.stem)
        claims = load_claims(REPORTED, path.stem, printed)
        for corpus in dict.fromkeys(printed["corpus"]):
            view = Comparison(
                path.stem, corpus, printed, pd.DataFrame(columns=artifacts.SCORES.names), 0.95
            )
            mine = [claim for claim in claims if corpus in claim.corpora]
            done[path.stem, corpus] = audit.examine(path.stem, corpus, printed, view, mine)
    return done


def test_the_rules_find_these_and_no_others(looked):
    assert list(looked) == list(FOUND)
    for key, lines in FOUND.items():
        expected: Counter[tuple[str, str, str]] = Counter()
        for rule, sure, places in (line.split(" | ") for line in lines.strip().splitlines()):
            for place in places.split("; "):
                where, _, times = place.partition(" x ")
                expected[rule.strip(), sure, where] += int(times or 1)
        found = Counter(
            (rule, one.sure, one.where)
            for rule, done in looked[key].items()
            for one in done.findings
        )
        assert found == expected, key


def test_silent_rules_looked_at_numbers(looked):
    _, rules = audit.overall(looked)
    numbers = rules.frame.set_index("rule")
    assert set(numbers.index[numbers["findings"] == 0]) == SILENT
    assert (numbers["numbers"] > 0).all()
    assert numbers["findings"].sum() == sum(
        len(one.findings) for done in looked.values() for one in done.values()
    )


def test_the_known_faults_are_among_them_with_what_they_are_off_by(looked):
    def off(paper, corpus, rule, where):
        return [
            one.off.replace("\N{MINUS SIGN}", "-")
            for one in looked[paper, corpus][rule].findings
            if one.where == where
        ]

    assert off("weighted_late_fusion", "meld", "known size", "Table 1: No of Samples") == [
        "+3 utterances",
        "+2197 utterances",
    ]
    assert off("mel_cnn_bert", "mosei", "printed twice", "Table 2: Ours / Speech + Text") == [
        "+5.20 points",
        "+5.00 points",
    ]
    assert off("mel_cnn_bert", "meld", "printed twice", "Table 3: Ours / Speech + Text") == [
        "-1.00 points",
        "-0.20 points",
    ]
    assert off("deepmsi_mer", "iemocap", "average of classes", "Table 1: DeepMSI-MER") == [
        "-6.55 points"
    ]
    assert off("deepmsi_mer", "meld", "F1 within bounds", "Table 2: A-DMN") == ["+1.03 points"]
    assert off(
        "class_weight_lstm", "mosei", "gain of the worst", "Abstract, sentence 10: gain, multimodal"
    ) == ["+1.03 points"]


def test_cited_rows_that_agree_with_the_known_support_are_left_alone(looked):
    """The test parts that the supports name are those of the cited papers: in these rows all averages fit, to 0.1 points."""
    found = {
        one.where
        for corpus in ("iemocap", "meld")
        for one in looked["deepmsi_mer", corpus]["average of classes"].findings
    }
    fitting = {f"Table 1: {name}" for name in ("CMN", "bc-LSTM", "LFM", "A-DMN", "ICON", "SDT")}
    assert not found & (
        fitting | {f"Table 2: {name}" for name in ("bc-LSTM", "DialogueRNN", "SDT")}
    )


def test_tables_show_the_surest_first_and_explain_each_rule_once(looked):
    every, _ = audit.overall(looked)
    assert len(every.frame) == sum(
        len(one.findings) for done in looked.values() for one in done.values()
    )
    for (paper, corpus), rows in every.frame.groupby(["paper", "corpus"], sort=False):
        order = rows["sure"].map(["certain", "likely", "hint"].index)
        assert order.is_monotonic_increasing
        view = Comparison(
            paper, corpus, load(REPORTED, paper), pd.DataFrame(columns=artifacts.SCORES.names), 0.95
        )
        table = audit.section(view, looked[paper, corpus])
        assert (table.name, table.anchor) == (f"{corpus}-audit", f"{paper}-{corpus}-audit")
        assert table.frame["printed"].tolist() == rows["printed"].tolist()
        assert {note.partition(":")[0] for note in table.notes[1:]} >= set(rows["rule"])
    files = render(every)
    assert (
        "| mel_cnn_bert | mosei | Table 2: Ours / Speech + Text | printed twice |"
        in files["audit.md"]
    )
    assert files["audit.csv"].splitlines()[0] == "paper,corpus,where,rule,printed,expected,off,sure"
