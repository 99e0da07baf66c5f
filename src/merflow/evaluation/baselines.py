"""What a system must beat: classifiers that see at most the classes of the train split and nothing of the utterance.

Each gives, for each test utterance, a distribution over classes; ``score`` counts it like a prediction. Where several classes may be
present at once, the two answers about each of them, absent and present, are the K below: for a rare one the majority is "absent".
"""

from collections.abc import Callable

import numpy as np


def majority(train: np.ndarray) -> np.ndarray:
    """Always the most frequent class of the train split: counts (..., K) -> one-hot (..., K); a tie goes to the first class."""
    return np.eye(train.shape[-1])[np.argmax(train, axis=-1)]


def chance(train: np.ndarray) -> np.ndarray:
    """Guess with the class shares of the train split: counts (..., K) -> shares (..., K).

    Counted as shares, an utterance adds the expectation of what guessing would count: accuracy is then exactly the
    expected accuracy of scikit-learn's ``DummyClassifier("stratified")``, F1 the F1 of the expected counts.
    """
    return train / train.sum(axis=-1, keepdims=True)


def all_negative(train: np.ndarray) -> np.ndarray:
    """Never any class, where several may be present at once: counts (..., 2) of absent and present -> one-hot (..., 2).

    What rare classes make cheap: a high accuracy and weighted F1, at a UAR of 1/2 and an F1 of "present" of 0.
    """
    return np.eye(2)[np.zeros(train.shape[:-1], dtype=int)]


#: In the order of tables; which of them a task has is said in merflow.evaluation.tasks.
BASELINES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "majority": majority,
    "chance": chance,
    "all_negative": all_negative,
}
