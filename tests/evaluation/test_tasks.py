import numpy as np
import pandas as pd
import pytest

from merflow.corpora.labels import CLASSES
from merflow.evaluation.tasks import INVALID, MultiClass, MultiLabel, task_of

CLASS, LABEL = MultiClass(("a", "b", "c")), MultiLabel(("a", "b", "c"))


def test_corpus_and_scheme_say_which_task_it_is():
    assert isinstance(task_of("mosei", "official", CLASSES["mosei"]), MultiLabel)
    schemes = {"meld": "official", "iemocap": "sessions", "ravdess": "actors", "mosei": "instances"}
    for corpus, scheme in schemes.items():
        assert isinstance(task_of(corpus, scheme, ["a"]), MultiClass)


@pytest.mark.parametrize(
    ("task", "names", "counts"),
    [
        (CLASS, ["b"], [0, 1, 0]),
        (LABEL, [], [[1, 0], [1, 0], [1, 0]]),
        (LABEL, ["b"], [[1, 0], [0, 1], [1, 0]]),
        (LABEL, ["a", "c"], [[0, 1], [1, 0], [0, 1]]),
        (LABEL, ["c", "a"], [[0, 1], [1, 0], [0, 1]]),
    ],
)
def test_a_code_counts_as_its_classes(task, names, counts):
    assert task.one_hot[task.code(names)].tolist() == counts


@pytest.mark.parametrize(
    ("task", "names"),
    [(CLASS, []), (CLASS, ["a", "b"]), (CLASS, ["d"]), (LABEL, ["a", "d"]), (LABEL, ["d"])],
)
def test_unknown_classes_and_wrong_numbers_are_invalid(task, names):
    assert task.code(names) == INVALID


def test_labels_of_no_class_are_out_of_scope_or_not_present():
    labels, class_of = pd.Series([["A"], ["x"], ["C"]]), {"A": "a", "C": "a"}
    assert CLASS.encode_labels(labels, class_of).tolist() == [0, INVALID, 0]
    labels = pd.Series([["A", "C"], ["x"], []])
    expected = [LABEL.code(names) for names in (["a"], [], [])]
    assert LABEL.encode_labels(labels, class_of).tolist() == expected


def test_prediction_follows_from_probabilities_but_for_rounding():
    probabilities = np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.2, 0.5, 0.3]])
    follows = CLASS.follows(np.array([1, 0, 1, 2]), probabilities)
    assert follows.tolist() == [True, True, True, False]
    of_a_and_c = [[0.9, 0.49, 0.5], [0.9, 0.49, 0.5 - 1e-8], [0.9, 0.49, 0.6]]
    probabilities = np.array([*of_a_and_c, [0.9, 0.51, 0.5]])
    codes = np.full(4, LABEL.code(["a", "c"]))
    assert LABEL.follows(codes, probabilities).tolist() == [True, True, True, False]
    assert LABEL.follows(codes[:1], np.array([[0.9, 0.1, 0.4]])).tolist() == [False]


@pytest.mark.parametrize("task", [CLASS, LABEL])
def test_values_have_names(task):
    counts = np.ones((*task.one_hot.shape[1:], task.one_hot.shape[-1]))
    assert len(set(task.metric_names)) == len(task.metric_names) == len(task.measure(counts))


def test_a_metric_of_a_class_needs_an_utterance_of_it():
    counts = np.zeros((2, 1, 3, 3))
    counts[0, 0, 0, 1] = counts[1, 0, 1, 1] = 1  # no label is c, and none is predicted
    names = CLASS.metric_names
    defined = [names[k] for k in np.flatnonzero(CLASS.defined(counts))]
    assert set(defined) == {
        *((metric, None) for metric in CLASS.overall_metrics),
        *((metric, name) for metric in ("precision", "recall", "f1") for name in "ab"),
        *(("confused", f"{label} as {other}") for label, other in ("ab", "ac", "ba", "bc")),
    }
    assert LABEL.defined(np.zeros((2, 1, 3, 2, 2))).all()
