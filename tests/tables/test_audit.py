from pathlib import Path

import pandas as pd
import pytest

from merflow.tables.audit import precision_of_one
from merflow.tables.reported import COLUMNS, load

REPORTED = Path(__file__).parents[2] / "reported"
PAPERS = sorted(path.stem for path in REPORTED.glob("*.csv"))
CLASSES = ["neutral", "joy", "surprise", "anger"]


def printed(folder, recalls, f1s, unit="percent"):
    rows = []
    for name, *cells in zip(CLASSES, recalls, f1s, strict=False):
        for metric, value in zip(("recall", "f1"), cells, strict=True):
            row = dict.fromkeys(COLUMNS, "") | {"table": "1", "row": "Ours", "corpus": "meld", "system": "ours", "split": "test"}
            rows.append(row | {"metric": metric, "metric_as_printed": metric, "class": name, "value": value, "unit": unit, "where": "here"})
    pd.DataFrame(rows).to_csv(folder / "p.csv", index=False)
    return load(folder, "p")


def test_the_rule_finds_the_two_rows_of_deepmsi_mer_and_no_other():
    found = pd.concat([precision_of_one(load(REPORTED, paper)).assign(paper=paper) for paper in PAPERS])
    rows = found[["paper", "table", "row", "corpus"]].drop_duplicates().to_numpy().tolist()
    assert rows == [["deepmsi_mer", "1", "DeepMSI-MER", "iemocap"], ["deepmsi_mer", "2", "DeepMSI-MER", "meld"]]
    assert len(found) == 13
    assert found["difference"].between(-0.0216, 0.0002).all()
    happy = found.set_index(["corpus", "class"]).loc[("iemocap", "happiness")]
    assert happy[["recall", "f1", "implied"]].tolist() == pytest.approx([0.761, 0.862, 0.8643], abs=5e-5)


@pytest.mark.parametrize("unit", ["percent", "share"])
def test_a_row_is_found_if_every_class_of_it_fits(tmp_path, unit):
    recalls, f1s = [0.6, 0.25, 0.812], [0.75, 0.4, 0.896]  # 2r/(1+r): .75, .4, .89625
    scale = 100 if unit == "percent" else 1
    shown = [[f"{scale * value:.{1 if unit == 'percent' else 3}f}" for value in values] for values in (recalls, f1s)]
    assert precision_of_one(printed(tmp_path, *shown, unit))["class"].tolist() == CLASSES[:3]
    shown[1][1] = f"{scale * 0.3:.3f}"
    assert precision_of_one(printed(tmp_path, *shown, unit)).empty


def test_averages_over_folds_lie_below_and_never_above(tmp_path):
    folds = pd.Series([0.0, 0.1, 0.1, 0.2, 0.3])
    mean, f1 = folds.mean(), (2 * folds / (1 + folds)).mean()
    assert 0 < 2 * mean / (1 + mean) - f1 < 0.025
    assert len(precision_of_one(printed(tmp_path, ["60.0", "25.0", f"{100 * mean:.1f}"], ["75.0", "40.0", f"{100 * f1:.1f}"]))) == 3
    assert precision_of_one(printed(tmp_path, ["60.0", "25.0", "14.0"], ["75.0", "40.0", "25.0"])).empty  # 2r/(1+r) is 24.6


def test_two_classes_or_classes_that_are_never_right_are_no_evidence(tmp_path):
    assert precision_of_one(printed(tmp_path, ["60.0", "25.0"], ["75.0", "40.0"])).empty
    assert precision_of_one(printed(tmp_path, ["60.0", "25.0", "0.0", "0.0"], ["75.0", "40.0", "0.0", "0.0"])).empty


def test_print_without_classes_has_no_finding():
    assert precision_of_one(load(REPORTED, "joint_cnn")).empty
