"""Objectives: losses that training minimises, and scores by which an epoch is selected.

A *component* is what has a loss and a selected epoch: each class of a bank, or the whole network.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from merflow.evaluation.confusion import count, uar, weighted_f1


class Objective(Protocol):
    """Loss and score of a network's logits.

    Attributes:
        metric: name of what `scores` returns.
    """

    @property
    def metric(self) -> str: ...  # noqa: D102

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Loss of each component (C,), summed over the batch, from logits (B, K)."""

    def scores(self, logits: Tensor, labels: np.ndarray) -> np.ndarray:
        """Score of each component (C,), higher is better, from logits (N, K)."""

    def probabilities(self, logits: Tensor) -> Tensor:
        """Class probabilities (N, K) of logits (N, K)."""


@dataclass(frozen=True)
class SingleLabelObjective:
    """Cross-entropy, scored by weighted F1; labels (B,) are class indices."""

    metric: str = "weighted_f1"

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy."""
        return cross_entropy(logits, labels, reduction="sum")[None]

    def scores(self, logits: Tensor, labels: np.ndarray) -> np.ndarray:
        """Weighted F1 of the likeliest class."""
        return weighted_f1(count(labels, logits.argmax(dim=1).numpy(), logits.shape[1]))[None]

    def probabilities(self, logits: Tensor) -> Tensor:
        """Softmax."""
        return logits.softmax(dim=1)


@dataclass(frozen=True)
class MultiLabelObjective:
    """Binary cross-entropy of each class, scored by the mean recall of present and absent (UAR).

    Labels (B, K) are 1 where a class is present.

    Attributes:
        weights: (2, K), weights of the losses of absent and present; 1: none.
        bank: each class is a component; else the network is one, with means over the classes.
    """

    weights: Tensor
    bank: bool = True
    metric: str = "uar"

    @classmethod
    def of(
        cls, labels: np.ndarray, class_weights: bool, bank: bool = True
    ) -> "MultiLabelObjective":
        """Build it for train labels (N, K).

        Class weights are w_i = n / (k n_i) with k = 2 (class_weight_lstm section III.C), and 1 for
        what never occurs in train.
        """
        present = labels.sum(axis=0)
        counts = np.stack([len(labels) - present, present])
        weights = np.ones(counts.shape)
        if class_weights:
            np.divide(len(labels), 2 * counts, out=weights, where=counts > 0)
        return cls(torch.tensor(weights, dtype=torch.float32), bank)

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """L = alpha L1 + beta L2: binary cross-entropy, present and absent weighted."""
        absent, present = self.weights.to(logits.device)
        weights = torch.where(labels > 0, present, absent)
        losses = binary_cross_entropy_with_logits(logits, labels, weights, reduction="none")
        of_classes = losses.sum(dim=0)
        return of_classes if self.bank else of_classes.mean()[None]

    def scores(self, logits: Tensor, labels: np.ndarray) -> np.ndarray:
        """Mean recall over present and absent, where they occur."""
        present, predicted = (labels > 0).astype(int), (logits.numpy() > 0).astype(int)
        counts = [count(present[:, k], predicted[:, k], 2) for k in range(labels.shape[1])]
        of_classes = uar(np.stack(counts))
        return of_classes if self.bank else of_classes.mean()[None]

    def probabilities(self, logits: Tensor) -> Tensor:
        """Sigmoid."""
        return logits.sigmoid()
