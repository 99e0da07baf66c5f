import numpy as np
import pandas as pd
import pytest

from merflow import artifacts
from merflow.errors import ParamsError, StoreError
from merflow.params import FusionParams
from merflow.store import write_table
from merflow.systems import Fusion
from merflow.training.fusion import (
    Chosen,
    MemberPredictions,
    fuse,
    simplex,
    softened,
    temperature,
)


def weighted(probabilities, weights):
    return np.einsum("m,mnk->nk", weights, probabilities)


WEIGHTED = Fusion(("good", "bad"), weighted, weighted=True)
MEAN = Fusion(("good", "bad"), lambda probabilities: probabilities.mean(axis=0))
CLASSES = ["joy", "anger"]


def store(folder, rows, classes=CLASSES):
    """Write predictions from `rows`: (utterance, split, label, probability of joy)."""
    table = pd.DataFrame(
        [
            [key, 0, 1, split, [label], ["joy"], [p, 1 - p][: len(classes)], None]
            for key, split, label, p in rows
        ],
        columns=artifacts.PREDICTIONS.names,
    )
    write_table(folder / "predictions.parquet", table, artifacts.PREDICTIONS, {"classes": classes})
    return folder


@pytest.fixture
def members(tmp_path):
    """The good member is right on dev, the bad on test; each lacks an utterance."""
    rows = {"good": [], "bad": []}
    for split in ("dev", "test"):
        for i in range(8):
            key, label = f"{split[0]}{i}", CLASSES[i % 2]
            right = 0.9 if label == "joy" else 0.1
            rows["good"].append([key, split, label, right if split == "dev" else 1 - right])
            rows["bad"].append([key, split, label, right if split == "test" else 1 - right])
    good = [row for row in rows["good"] if row[0] != "t7"]
    bad = [row for row in rows["bad"] if row[0] != "d7"]
    folders = [store(tmp_path / "good", good), store(tmp_path / "bad", bad)]
    return MemberPredictions.read(folders)


def test_members_meet_on_utterances_that_all_predicted(members):
    expected = [f"d{i}" for i in range(7)] + [f"t{i}" for i in range(7)]
    assert sorted(members.rows["utterance_id"]) == expected
    assert members.probabilities.shape == (2, 14, 2)
    joy = members.rows["labels"].str[0] == "joy"
    dev = members.rows["split"] == "dev"
    expected = np.where(joy == dev, 0.9, 0.1)
    np.testing.assert_allclose(members.probabilities[0, :, 0], expected, rtol=1e-6)


def test_weights_are_chosen_on_dev_whatever_test_says(members):
    rows, chosen = fuse(WEIGHTED, FusionParams(weights="dev", step=0.1), members, 0, 1)
    # from 0.6 to 1 all score the same: the most even weights win
    assert chosen.weights == {"good": 0.6, "bad": 0.4}
    test = rows[rows["split"] == "test"]
    wrong = ["anger" if labels[0] == "joy" else "joy" for labels in test["labels"]]
    assert [predicted[0] for predicted in test["predicted"]] == wrong
    np.testing.assert_allclose(np.stack(rows["probabilities"]).sum(axis=1), 1, rtol=1e-6)


def test_fixed_weights_are_taken_as_given(members):
    rows, chosen = fuse(WEIGHTED, FusionParams(weights=[0.3, 0.7]), members, 0, 1)
    assert chosen.weights == {"good": 0.3, "bad": 0.7}
    first = rows[rows["utterance_id"] == "t0"].iloc[0]
    expected = [0.3 * 0.1 + 0.7 * 0.9, 0.3 * 0.9 + 0.7 * 0.1]
    np.testing.assert_allclose(first["probabilities"], expected, rtol=1e-6)


def test_a_fusion_without_weights_has_none(members):
    rows, chosen = fuse(MEAN, FusionParams(), members, 0, 1)
    assert chosen == Chosen(weights=None, temperatures=None)
    np.testing.assert_allclose(np.stack(rows["probabilities"]), 0.5, rtol=1e-6)


def test_an_overconfident_member_gets_its_temperature():
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(4000, 3))
    targets = [int(rng.choice(3, p=softened(np.exp(row)[None], 1.0)[0])) for row in logits]
    overconfident = softened(np.exp(logits), 0.4)
    assert temperature(overconfident, targets) == pytest.approx(2.5, rel=0.1)
    likeliest = softened(overconfident, 2.5).argmax(axis=1)
    np.testing.assert_array_equal(likeliest, logits.argmax(axis=1))


def test_temperatures_are_chosen_on_dev_per_member(members):
    rows, chosen = fuse(MEAN, FusionParams(calibration="temperature"), members, 0, 1)
    # right, and wrong, on all of dev
    assert chosen.temperatures["good"] < 1 < chosen.temperatures["bad"]
    joy = (rows["labels"].str[0] == "joy") & (rows["split"] == "dev")
    of_joy = np.stack(rows["probabilities"])[:, 0]
    assert (of_joy[joy] > 0.5).all()  # the confident member decides


@pytest.mark.parametrize(
    ("fusion", "params", "message"),
    [
        (MEAN, FusionParams(weights="dev"), "weights: dev: this fusion takes none"),
        (
            WEIGHTED,
            FusionParams(),
            "weights: None: this fusion takes dev, or one weight for each of good, bad",
        ),
        (
            WEIGHTED,
            FusionParams(weights=[1.0]),
            r"weights: \[1.0\]: this fusion takes dev, or one weight for each",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(members, fusion, params, message):
    with pytest.raises(ParamsError, match=message):
        fuse(fusion, params, members, 0, 1)


def test_a_run_that_members_lack_is_refused(members):
    message = "fold 3, seed 1 is not in the predictions of all of good, bad"
    with pytest.raises(StoreError, match=message):
        fuse(MEAN, FusionParams(), members, 3, 1)


def test_members_with_other_classes_are_refused(tmp_path, members):
    other = store(tmp_path / "other", [["d0", "dev", "joy", 1.0]], classes=["joy"])
    with pytest.raises(StoreError, match=r"good\S+ and \S+other\S+ differ in their classes"):
        MemberPredictions.read([tmp_path / "good", tmp_path / "bad", other])


def test_the_simplex_holds_every_weight_once():
    assert list(simplex(2, 4)) == [(0.0, 1.0), (0.25, 0.75), (0.5, 0.5), (0.75, 0.25), (1.0, 0.0)]
    three = list(simplex(3, 10))
    assert len(three) == len(set(three)) == 66
    assert all(sum(weights) == pytest.approx(1) and min(weights) >= 0 for weights in three)
