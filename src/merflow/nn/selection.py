"""Ridge classifier whose strength is chosen for the features that its coefficients select.

With more features than examples a weak ridge interpolates, and the norms of its coefficients rank
noise. The strength that predicts best from all features is too weak as well. So a strength is
judged by the features that it selects, in five random folds of the given examples. Features are
selected on four parts. A ridge classifier on them predicts the fifth part, and its unweighted
average recall counts.
"""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import RidgeClassifier, RidgeClassifierCV
from sklearn.metrics import recall_score
from sklearn.model_selection import KFold

#: Weights of the squared L2 norm. The smallest nearly interpolates. The largest ranks features by
#: their covariance with the classes.
STRENGTHS = tuple(10.0**power for power in range(8))
FOLDS = 5
#: Strengths of the classifier on the selected features, chosen by leave-one-out.
OF_CLASSIFIER = tuple(10.0**power for power in range(-3, 4))


class SelectingRidge(BaseEstimator):
    """Ridge classifier of the strength whose features classify best, for scikit-learn's selectors.

    Attributes:
        alpha_: the strength.
        coef_: coefficients, (K, dim), or (1, dim) of two classes.
    """

    def __init__(self, keep: int):
        """Set the number of features that are selected by the norms of the coefficients."""
        self.keep = keep

    def fit(self, values: np.ndarray, labels: np.ndarray) -> "SelectingRidge":
        """Choose the strength and fit the coefficients to values (n, dim)."""
        self.alpha_ = strength(values, labels, self.keep)
        self.coef_ = RidgeClassifier(alpha=self.alpha_).fit(values, labels).coef_
        return self


def strength(values: np.ndarray, labels: np.ndarray, keep: int) -> float:
    """Choose the strength whose features classify best; of equals the largest.

    Args:
        values: normalised features (n, dim).
        labels: class indices (n,), or (n, K) 1 where a class is present.
        keep: number of features to select.
    """
    if keep >= values.shape[1]:
        return STRENGTHS[-1]
    centred = values - values.mean(axis=0, dtype=np.float64)
    present = labels if labels.ndim == 2 else labels[:, None] == np.unique(labels)
    targets = present - present.mean(axis=0)
    kernel = centred @ centred.T  # of all folds and strengths: examples are fewer than features
    scores = np.zeros(len(STRENGTHS))
    folds = KFold(min(FOLDS, len(values)), shuffle=True, random_state=0)
    for train, rest in folds.split(values):
        of_train = kernel[np.ix_(train, train)]
        for number, alpha in enumerate(STRENGTHS):
            ridge = KernelRidge(alpha=alpha, kernel="precomputed").fit(of_train, targets[train])
            kept = strongest(centred[train].T @ ridge.dual_coef_, keep)
            scores[number] += _recall(values[:, kept], labels, train, rest)
    return max(zip(scores, STRENGTHS, strict=True))[1]


def strongest(coefficients: np.ndarray, keep: int) -> np.ndarray:
    """Find the features (dim,) with the largest L2 norm of their coefficients (dim, K)."""
    return np.argsort(-np.linalg.norm(coefficients, axis=1), kind="stable")[:keep]


def _recall(values: np.ndarray, labels: np.ndarray, train: np.ndarray, rest: np.ndarray) -> float:
    """Unweighted average recall on `rest` of a classifier that is fitted on `train`."""
    classifier = RidgeClassifierCV(OF_CLASSIFIER).fit(values[train], labels[train])
    true, predicted = labels[rest], classifier.predict(values[rest])
    classes = None if labels.ndim == 2 else np.unique(true)
    return recall_score(true, predicted, labels=classes, average="macro", zero_division=0)
