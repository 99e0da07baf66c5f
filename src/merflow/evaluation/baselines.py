"""Trivial baselines: classifiers that know at most the class counts of the train split.

Each gives every test utterance a distribution over K classes, which `score` counts like a
prediction. In a multi-label task K is 2: absent and present, for each class. There the majority of
a rare class is "absent".
"""

from collections.abc import Callable

import numpy as np


def majority(train: np.ndarray) -> np.ndarray:
    """Predict the most frequent class of the train split; of equals the first.

    Args:
        train: counts (..., K).

    Returns:
        One-hot rows (..., K).
    """
    return np.eye(train.shape[-1])[np.argmax(train, axis=-1)]


def chance(train: np.ndarray) -> np.ndarray:
    """Guess with the class shares of the train split.

    An utterance then counts as the expectation of a guess. Accuracy is exactly the expected
    accuracy of scikit-learn's ``DummyClassifier("stratified")``, F1 the F1 of the expected counts.

    Args:
        train: counts (..., K).

    Returns:
        Shares (..., K).
    """
    return train / train.sum(axis=-1, keepdims=True)


def all_negative(train: np.ndarray) -> np.ndarray:
    """Predict no class at all, in a multi-label task.

    With rare classes its accuracy and weighted F1 are high. Its UAR is 1/2, its F1 of "present" 0.

    Args:
        train: counts (..., 2) of absent and present.

    Returns:
        One-hot rows (..., 2), always "absent".
    """
    return np.eye(2)[np.zeros(train.shape[:-1], dtype=int)]


#: In the order of tables; merflow.evaluation.tasks says which of them a task has.
BASELINES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "majority": majority,
    "chance": chance,
    "all_negative": all_negative,
}
