"""The contrastive loss is equation 5 of deepmsi_mer."""

import math

import pytest
import torch
from torch.nn.functional import cosine_similarity

from merflow.nn.contrastive import contrastive_loss


def naive_loss(rows, columns, labels, tau):
    """Compute equation 5 pair by pair."""
    batch, total = len(rows), 0.0

    def exponential(i, j):
        return math.exp(cosine_similarity(rows[i], columns[j], dim=0).item() / tau)

    for i in range(batch):
        negatives = sum(exponential(i, k) for k in range(batch) if labels[k] != labels[i])
        for j in range(batch):
            if j != i and labels[j] == labels[i]:
                positive = exponential(i, j)
                total -= math.log(positive / (positive + negatives))
    return total / (batch * (batch - 1))


def views(batch, dim=5):
    torch.manual_seed(batch)
    return torch.randn(batch, dim), torch.randn(batch, dim)


@pytest.mark.parametrize("labels", [[0, 1, 0, 2, 1, 0, 0], [0, 1], [3, 3, 1]])
@pytest.mark.parametrize("tau", [0.5, 0.07])
def test_the_loss_equals_a_naive_loop(labels, tau):
    rows, columns = views(len(labels))
    loss = contrastive_loss(rows, columns, torch.tensor(labels), tau).item()
    assert loss == pytest.approx(naive_loss(rows, columns, labels, tau), rel=1e-5, abs=1e-7)


def test_equation_5_on_literal_vectors():
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    loss = contrastive_loss(vectors, vectors, torch.tensor([4, 4, 9]), tau=1.0).item()
    # two rows have one column of their class, cosine 1, and one of another class, cosine 0
    assert loss == pytest.approx(2 * math.log((math.e + 1) / math.e) / 6)


@pytest.mark.parametrize("labels", [[1], [0, 0, 0], [0, 1, 2]])
def test_without_pairs_or_contrast_the_loss_is_zero(labels):
    rows, columns = (view.requires_grad_() for view in views(len(labels)))
    loss = contrastive_loss(rows, columns, torch.tensor(labels), tau=0.5)
    loss.backward()
    assert loss.item() == 0
    assert rows.grad.abs().sum() == 0
    assert torch.isfinite(columns.grad).all()


def test_the_loss_falls_as_columns_of_a_class_come_nearer():
    rows, columns = views(6)
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    centres = torch.stack([rows[:3].mean(dim=0), rows[3:].mean(dim=0)])[labels]
    losses = [
        contrastive_loss(rows, columns + share * (centres - columns), labels, 0.5).item()
        for share in (0.0, 0.5, 1.0)
    ]
    assert losses[0] > losses[1] > losses[2]
