"""What training minimises and dev is judged by: one class of several (cross-entropy), or each class present or absent.

A *task* is what has a loss and an epoch of its own: one network is one, a bank of networks has one per class.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from merflow.evaluation.formulas import count, uar, weighted_f1


class Objective(Protocol):
    """What the loop asks; `score` is the name of what `scores` returns, in the history as ``dev_<score>``."""

    score: str

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Loss of each task, summed over the batch: (B, K) and labels -> (tasks,)."""

    def scores(self, logits: Tensor, labels: np.ndarray) -> np.ndarray:
        """Score of each task, higher is better: (N, K) and labels -> (tasks,)."""

    def probabilities(self, logits: Tensor) -> Tensor:
        """(N, K) -> (N, K)."""


@dataclass(frozen=True)
class SingleLabel:
    """Labels (B,) are class indices; scored by weighted F1."""

    score: str = "weighted_f1"

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
class MultiLabel:
    """Labels (B, K) are 1 where a class is present; scored by the mean recall of present and absent (UAR).

    Attributes:
        weights: (2, K), of the losses of absent and present; 1: none.
        bank: each class is a task of its own; else they are one, with the mean loss and the mean score over them.
    """

    weights: Tensor
    bank: bool = True
    score: str = "uar"

    @classmethod
    def of(cls, labels: np.ndarray, class_weights: bool, bank: bool = True) -> "MultiLabel":
        """For train labels (N, K): without weights, or with w_i = n / (k n_i) of each class, k = 2 (class_weight_lstm section III.C).

        What never occurs in train has weight 1.
        """
        present = labels.sum(axis=0)
        counts = np.stack([len(labels) - present, present])
        weights = np.divide(len(labels), 2 * counts, out=np.ones(counts.shape), where=counts > 0)
        return cls(
            torch.tensor(weights if class_weights else np.ones(counts.shape), dtype=torch.float32),
            bank,
        )

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """L = alpha L1 + beta L2: binary cross-entropy, present and absent weighted."""
        absent, present = self.weights.to(logits.device)
        weights = torch.where(labels > 0, present, absent)
        each = binary_cross_entropy_with_logits(logits, labels, weights, reduction="none").sum(
            dim=0
        )
        return each if self.bank else each.mean()[None]

    def scores(self, logits: Tensor, labels: np.ndarray) -> np.ndarray:
        """Mean recall over present and absent, where there are any."""
        present, predicted = (labels > 0).astype(int), (logits.numpy() > 0).astype(int)
        each = uar(
            np.stack([count(present[:, k], predicted[:, k], 2) for k in range(labels.shape[1])])
        )
        return each if self.bank else each.mean()[None]

    def probabilities(self, logits: Tensor) -> Tensor:
        """Sigmoid."""
        return logits.sigmoid()
