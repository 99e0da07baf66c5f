import numpy as np
import pandas as pd
import pytest

from merflow import artifacts
from merflow.errors import ParamsError, StoreError
from merflow.params import FusionParams
from merflow.store import write_table
from merflow.systems import Fusion
from merflow.training.fusion import Members, fuse, simplex, softened, temperature


def weighted(probabilities, weights):
    return np.einsum("m,mnk->nk", weights, probabilities)


WEIGHTED = Fusion(("good", "bad"), weighted, weighted=True)
MEAN = Fusion(("good", "bad"), lambda probabilities: probabilities.mean(axis=0))
CLASSES = ["joy", "anger"]


def predictions(folder, rows):
    """`rows`: id -> (fold, split, label, probability of joy)."""
    table = pd.DataFrame(
        [
            [key, fold, 1, split, [label], ["joy"], [p, 1 - p], None]
            for key, (fold, split, label, p) in rows.items()
        ],
        columns=artifacts.PREDICTIONS.names,
    )
    write_table(folder / "predictions.parquet", table, artifacts.PREDICTIONS, {"classes": CLASSES})
    return folder


@pytest.fixture
def members(tmp_path):
    """The good one is right on dev, the bad one on test; each has an utterance that the other lacks."""
    truth = {f"d{i}": (0, "dev", CLASSES[i % 2]) for i in range(8)} | {
        f"t{i}": (0, "test", CLASSES[i % 2]) for i in range(8)
    }
    right = {key: 0.9 if label == "joy" else 0.1 for key, (_, _, label) in truth.items()}
    good = {
        key: (*truth[key], p if key[0] == "d" else 1 - p) for key, p in right.items() if key != "t7"
    }
    bad = {
        key: (*truth[key], p if key[0] == "t" else 1 - p) for key, p in right.items() if key != "d7"
    }
    return Members.read([predictions(tmp_path / "good", good), predictions(tmp_path / "bad", bad)])


def test_members_meet_on_the_utterances_that_both_predicted(members):
    assert sorted(members.rows["utterance_id"]) == sorted(
        [f"d{i}" for i in range(7)] + [f"t{i}" for i in range(7)]
    )
    assert members.probabilities.shape == (2, 14, 2)
    joy = members.rows["labels"].str[0] == "joy"
    dev = members.rows["split"] == "dev"
    np.testing.assert_allclose(
        members.probabilities[0, :, 0], np.where(joy == dev, 0.9, 0.1), rtol=1e-6
    )


def test_weights_are_chosen_on_dev_whatever_the_test_part_says(members):
    rows, chosen = fuse(WEIGHTED, FusionParams(weights="dev", step=0.1), members, 0, 1)
    assert chosen["weights"] == {
        "good": 0.6,
        "bad": 0.4,
    }  # all from 0.6 to 1 are as good: the most even one
    test = rows[rows["split"] == "test"]
    assert [p[0] for p in test["predicted"]] == [
        "anger" if y[0] == "joy" else "joy" for y in test["labels"]
    ]
    np.testing.assert_allclose(np.stack(rows["probabilities"]).sum(axis=1), 1, rtol=1e-6)


def test_fixed_weights_are_taken_as_they_are(members):
    rows, chosen = fuse(WEIGHTED, FusionParams(weights=[0.3, 0.7]), members, 0, 1)
    assert chosen["weights"] == {"good": 0.3, "bad": 0.7}
    first = rows[rows["utterance_id"] == "t0"].iloc[0]
    np.testing.assert_allclose(
        first["probabilities"], [0.3 * 0.1 + 0.7 * 0.9, 0.3 * 0.9 + 0.7 * 0.1], rtol=1e-6
    )


def test_a_fusion_without_weights_has_none(members):
    rows, chosen = fuse(MEAN, FusionParams(), members, 0, 1)
    assert chosen == {"weights": None, "temperatures": None}
    np.testing.assert_allclose(np.stack(rows["probabilities"]), 0.5, rtol=1e-6)


def test_a_member_that_is_too_sure_is_softened_by_the_temperature_with_the_lowest_loss_on_dev():
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(4000, 3))
    truth = [int(rng.choice(3, p=softened(np.exp(row)[None], 1.0)[0])) for row in logits]
    sure = softened(np.exp(logits), 0.4)  # 2.5 times too sure
    assert temperature(sure, truth) == pytest.approx(2.5, rel=0.1)
    np.testing.assert_array_equal(softened(sure, 2.5).argmax(axis=1), logits.argmax(axis=1))


def test_temperatures_are_chosen_on_dev_and_stored_by_member(members):
    rows, chosen = fuse(MEAN, FusionParams(calibration="temperature"), members, 0, 1)
    assert (
        chosen["temperatures"]["good"] < 1 < chosen["temperatures"]["bad"]
    )  # right, and wrong, on all of dev
    joy = np.stack(rows["probabilities"])[:, 0]
    assert (
        joy[(rows["labels"].str[0] == "joy") & (rows["split"] == "dev")] > 0.5
    ).all()  # the sure one decides


@pytest.mark.parametrize(
    ("fusion", "settings", "says"),
    [
        (MEAN, FusionParams(weights="dev"), "weights: dev: this fusion takes none"),
        (WEIGHTED, FusionParams(), "this fusion takes one weight for each of good, bad, or dev"),
        (
            WEIGHTED,
            FusionParams(weights=[1.0]),
            r"weights: \[1.0\]: this fusion takes one weight for each",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(members, fusion, settings, says):
    with pytest.raises(ParamsError, match=says):
        fuse(fusion, settings, members, 0, 1)


def test_a_run_that_members_lack_is_refused(members):
    with pytest.raises(
        StoreError, match="fold 3, seed 1 is not in the predictions of all of good, bad"
    ):
        fuse(MEAN, FusionParams(), members, 3, 1)


def test_members_with_other_classes_are_refused(tmp_path, members):
    table = pd.DataFrame(
        [["d0", 0, 1, "dev", ["joy"], ["joy"], [1.0], None]], columns=artifacts.PREDICTIONS.names
    )
    write_table(
        tmp_path / "one" / "predictions.parquet", table, artifacts.PREDICTIONS, {"classes": ["joy"]}
    )
    with pytest.raises(StoreError, match="tell other classes apart"):
        Members.read([tmp_path / "good", tmp_path / "one"])


def test_simplex_holds_every_weight_once():
    assert list(simplex(2, 4)) == [(0.0, 1.0), (0.25, 0.75), (0.5, 0.5), (0.75, 0.25), (1.0, 0.0)]
    three = list(simplex(3, 10))
    assert len(three) == len(set(three)) == 66
    assert all(sum(weights) == pytest.approx(1) and min(weights) >= 0 for weights in three)
