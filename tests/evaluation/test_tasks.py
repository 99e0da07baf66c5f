import numpy as np
import pandas as pd
import pytest

from merflow.corpora.labels import CLASSES
from merflow.evaluation.tasks import NO_ANSWER, MultiClass, MultiLabel, task_of

CLASS, LABEL = MultiClass(("a", "b", "c")), MultiLabel(("a", "b", "c"))


def test_corpus_and_scheme_say_which_task_it_is():
    assert isinstance(task_of("mosei", "official", CLASSES["mosei"]), MultiLabel)
    single = {"meld": "official", "iemocap": "sessions", "ravdess": "actors", "mosei": "instances"}
    assert all(
        isinstance(task_of(corpus, scheme, ["a"]), MultiClass) for corpus, scheme in single.items()
    )


@pytest.mark.parametrize(
    ("task", "answer", "counts"),
    [
        (CLASS, ["b"], [0, 1, 0]),
        (LABEL, [], [[1, 0], [1, 0], [1, 0]]),
        (LABEL, ["b"], [[1, 0], [0, 1], [1, 0]]),
        (LABEL, ["a", "c"], [[0, 1], [1, 0], [0, 1]]),
        (LABEL, ["c", "a"], [[0, 1], [1, 0], [0, 1]]),
    ],
)
def test_an_answer_counts_as_what_it_names(task, answer, counts):
    assert task.one_hot[task.code(answer)].tolist() == counts


@pytest.mark.parametrize(
    ("task", "answer"),
    [(CLASS, []), (CLASS, ["a", "b"]), (CLASS, ["d"]), (LABEL, ["a", "d"]), (LABEL, ["d"])],
)
def test_what_is_no_answer(task, answer):
    assert task.code(answer) == NO_ANSWER


def test_labels_that_count_as_no_class_put_out_of_scope_or_are_not_present():
    labels, class_of = pd.Series([["A"], ["x"], ["C"]]), {"A": "a", "C": "a"}
    assert CLASS.encode_labels(labels, class_of).tolist() == [0, NO_ANSWER, 0]
    assert LABEL.encode_labels(pd.Series([["A", "C"], ["x"], []]), class_of).tolist() == [
        LABEL.code(["a"]),
        LABEL.code([]),
        LABEL.code([]),
    ]


def test_prediction_follows_from_probabilities_but_for_rounding():
    probabilities = np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.2, 0.5, 0.3]])
    assert CLASS.follows(np.array([1, 0, 1, 2]), probabilities).tolist() == [
        True,
        True,
        True,
        False,
    ]
    probabilities = np.array(
        [[0.9, 0.49, 0.5], [0.9, 0.49, 0.5 - 1e-8], [0.9, 0.49, 0.6], [0.9, 0.51, 0.5]]
    )
    codes = np.full(4, LABEL.code(["a", "c"]))
    assert LABEL.follows(codes, probabilities).tolist() == [True, True, True, False]
    assert LABEL.follows(codes[:1], np.array([[0.9, 0.1, 0.4]])).tolist() == [False]


@pytest.mark.parametrize("task", [CLASS, LABEL])
def test_values_have_names(task):
    counts = np.ones((*task.one_hot.shape[1:], task.one_hot.shape[-1]))
    assert len(task.names) == len(set(task.names)) == len(task.measure(counts))
