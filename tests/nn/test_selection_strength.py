import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier, RidgeClassifierCV
from sklearn.metrics import recall_score
from sklearn.model_selection import KFold

from merflow.nn.selection import OF_CLASSIFIER, STRENGTHS, SelectingRidge, strength, strongest


@pytest.fixture
def many_features():
    """Features (48, 300) of three classes, which shift 60 of them together."""
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 3
    values = rng.random((48, 300)).astype(np.float32)
    values[:, :60] += 0.3 * (labels[:, None] + rng.normal(size=(48, 1)))
    return values, labels


def recall_of(values, labels, keep, alpha):
    """Mean recall over five folds, computed without the shared kernel."""
    recalls = []
    for train, rest in KFold(5, shuffle=True, random_state=0).split(values):
        ridge = RidgeClassifier(alpha=alpha).fit(values[train], labels[train])
        kept = strongest(ridge.coef_.T, keep)
        classifier = RidgeClassifierCV(OF_CLASSIFIER).fit(values[train][:, kept], labels[train])
        predicted = classifier.predict(values[rest][:, kept])
        present = np.unique(labels[rest])
        recalls.append(recall_score(labels[rest], predicted, labels=present, average="macro"))
    return float(np.mean(recalls))


def test_the_strength_selects_the_features_that_classify_best(many_features):
    recalls = {alpha: recall_of(*many_features, 6, alpha) for alpha in STRENGTHS}
    chosen = strength(*many_features, 6)
    assert recalls[chosen] == pytest.approx(max(recalls.values()), abs=0.03)
    assert recalls[chosen] > min(recalls.values()) + 0.05


def test_the_coefficients_are_those_of_the_chosen_strength(many_features):
    fitted = SelectingRidge(6).fit(*many_features)
    assert fitted.alpha_ == strength(*many_features, 6)
    expected = RidgeClassifier(alpha=fitted.alpha_).fit(*many_features).coef_
    np.testing.assert_array_equal(fitted.coef_, expected)


def test_of_equal_strengths_the_largest_is_taken(many_features):
    values, labels = many_features
    assert strength(values, labels, keep=300) == STRENGTHS[-1]  # all are kept
    same = np.repeat(values[:, :1], 300, axis=1)
    assert strength(same, labels, keep=3) == STRENGTHS[-1]


def test_multi_label_targets_have_a_strength_too(many_features):
    values, labels = many_features
    present = np.stack([labels == 0, labels > 0], axis=1).astype(np.float32)
    assert strength(values, present, 6) in STRENGTHS
