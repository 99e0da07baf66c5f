import math

import pytest
import torch
from torch.nn.functional import cosine_similarity

from merflow.nn.contrastive import contrastive_loss


def written_out(rows, columns, labels, tau):
    """Equation 5 as the paper's text has it, one pair after the other."""
    batch = len(rows)
    total = 0.0
    for i in range(batch):
        negatives = sum(
            math.exp(cosine_similarity(rows[i], columns[k], dim=0).item() / tau)
            for k in range(batch)
            if labels[k] != labels[i]
        )
        for j in range(batch):
            if j != i and labels[j] == labels[i]:
                positive = math.exp(cosine_similarity(rows[i], columns[j], dim=0).item() / tau)
                total -= math.log(positive / (positive + negatives))
    return total / (batch * (batch - 1))


def views(batch, dim=5):
    torch.manual_seed(batch)
    return torch.randn(batch, dim), torch.randn(batch, dim)


@pytest.mark.parametrize("labels", [[0, 1, 0, 2, 1, 0, 0], [0, 1], [3, 3, 1]])
@pytest.mark.parametrize("tau", [0.5, 0.07])
def test_the_loss_is_equation_5_written_out(labels, tau):
    rows, columns = views(len(labels))
    assert contrastive_loss(rows, columns, torch.tensor(labels), tau).item() == pytest.approx(
        written_out(rows, columns, labels, tau), rel=1e-5, abs=1e-7
    )


def test_equation_5_on_literal_vectors():
    rows = columns = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    wanted = (
        2 * math.log((math.e + 1) / math.e) / 6
    )  # two rows have one column of their class, cosine 1, and one of another, cosine 0
    assert contrastive_loss(
        rows, columns, torch.tensor([4, 4, 9]), tau=1.0
    ).item() == pytest.approx(wanted)


@pytest.mark.parametrize("labels", [[1], [0, 0, 0], [0, 1, 2]])
def test_one_example_one_class_or_no_two_of_a_class_have_no_loss_and_finite_gradients(labels):
    rows, columns = (view.requires_grad_() for view in views(len(labels)))
    loss = contrastive_loss(rows, columns, torch.tensor(labels), tau=0.5)
    loss.backward()
    assert loss.item() == 0
    assert rows.grad.abs().sum() == 0 and torch.isfinite(columns.grad).all()


def test_it_falls_as_columns_of_a_class_come_nearer():
    rows, columns = views(6)
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    centres = torch.stack([rows[:3].mean(dim=0), rows[3:].mean(dim=0)])[labels]
    losses = [
        contrastive_loss(rows, columns + pull * (centres - columns), labels, 0.5).item()
        for pull in (0.0, 0.5, 1.0)
    ]
    assert losses[0] > losses[1] > losses[2]
