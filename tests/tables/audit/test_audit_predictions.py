import pytest
from support.printed_tables import table_row

from merflow.tables.audit import predictions
from merflow.tables.audit.class_counts import Support


@pytest.mark.parametrize("unit", ["percent", "share"])
def test_precision_that_counts_as_one_is_found(make_case, unit):
    recalls = (60.0, 25.0, 81.2)  # 2r/(1+r): 75, 40, 89.625

    def findings(*f1s):
        values = [
            [f"{v:.1f}" if unit == "percent" else f"{v / 100:.3f}" for v in metric]
            for metric in (recalls, f1s)
        ]
        rows = table_row(recall=values[0], f1=values[1]).replace("percent", unit)
        return predictions.precision_of_one(make_case(rows)).findings

    (finding,) = findings(75.0, 40.0, 89.6)
    assert finding.confidence == "likely" and "joy 40.0 %" in finding.expected
    assert findings(75.0, 30.0, 89.6) == []  # every class must fit
    assert findings(75.0, 40.0, 89.8) == []  # above the value for precision 1


def test_averages_over_folds_lie_below_precision_one(make_case):
    folds = (0.0, 0.1, 0.1, 0.2, 0.3)
    recall, f1 = sum(folds) / 5, sum(2 * r / (1 + r) for r in folds) / 5
    assert 0 < 2 * recall / (1 + recall) - f1 < predictions.AVERAGING
    recalls, f1s = ("60.0", "25.0", f"{100 * recall:.1f}"), ("75.0", "40.0", f"{100 * f1:.1f}")
    result = predictions.precision_of_one(make_case(table_row(recall=recalls, f1=f1s)))
    assert len(result.findings) == 1


def test_two_classes_are_no_evidence_of_precision_one(make_case):
    rows = table_row(recall=("60.0", "25.0"), f1=("75.0", "40.0"))
    assert predictions.precision_of_one(make_case(rows)).findings == []


def test_recall_0_is_no_evidence_of_precision_one(make_case):
    rows = table_row(recall=("60.0", "25.0", "0.0"), f1=("75.0", "40.0", "0.0"))
    result = predictions.precision_of_one(make_case(rows))
    assert (result.numbers, result.findings) == (4, [])


def test_predictions_that_do_not_add_up_are_found(make_case):
    # of 50, 30 and 20 utterances 40, 15 and 12 are correct; 48, 24 and 28 are predicted:
    # F1 = 2 hits / (support + predicted)
    recall, f1 = ("80.0", "50.0", "60.0"), ("81.6", "55.6", "50.0")
    right = make_case(table_row(recall=recall, f1=f1))
    assert predictions.implied_predictions(right).findings == []
    wrong = make_case(table_row(recall=recall, f1=("81.6", "55.6", "30.0")))
    (finding,) = predictions.implied_predictions(wrong).findings
    assert finding.confidence == "likely"
    assert finding.expected.startswith("100 predictions (official, test), not 132 (")


def test_a_class_without_hits_may_have_any_predictions(make_case):
    rows = table_row(recall=("80.0", "50.0", "0.0"), f1=("81.6", "55.6", "0.0"))
    assert predictions.implied_predictions(make_case(rows)).findings == []


ACCURACY = "1 a s accuracy - dev {} share"
DEV = (Support("official", "dev", {"neutral": 700, "joy": 409}),)


def test_a_share_of_no_whole_number_is_a_hint(make_case):
    right = make_case(ACCURACY.format("0.6411"), DEV)  # 711 of 1109
    assert predictions.whole_utterances(right).findings == []
    wrong = make_case(ACCURACY.format("0.6517"), DEV)
    (finding,) = predictions.whole_utterances(wrong).findings
    assert (finding.confidence, finding.off) == ("hint", "\N{MINUS SIGN}0.02 points")
    assert "722 or 723 of 1109" in finding.expected


def test_coarse_shares_are_not_checked(make_case):
    coarse = make_case(ACCURACY.format("0.65"), DEV)  # ten of 1109 would do
    result = predictions.whole_utterances(coarse)
    assert (result.numbers, result.findings) == (0, [])


def test_a_printed_size_may_explain_a_share(make_case):
    size = "text n - count - dev 600 utterances"  # 391 of 600
    case = make_case(f"{ACCURACY.format('0.6517')}\n{size}", DEV)
    assert predictions.whole_utterances(case).findings == []


def test_whole_utterances_are_of_the_support_that_averages_fit(make_case):
    recall = ("80.0", "60.0", "42.0")  # 8.4 of 20; of the other release 42 of 100
    other = Support("earlier", "test", {"neutral": 100, "joy": 100, "anger": 100})
    test = Support("official", "test", {"neutral": 50, "joy": 30, "anger": 20})
    unclear = make_case(table_row(recall=recall), (test, other))
    assert predictions.whole_utterances(unclear).findings == []
    fitting = make_case(table_row([("accuracy", "66.4")], recall=recall), (test, other))
    (finding,) = predictions.whole_utterances(fitting).findings
    assert finding.printed == "anger 42.0 %"
