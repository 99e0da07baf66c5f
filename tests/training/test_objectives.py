import math

import numpy as np
import pytest
import torch

from merflow.training.objectives import MultiLabelObjective

LOGITS = torch.tensor([[0.0, 2.0], [0.0, -2.0]])
LABELS = np.array([[1, 1], [0, 1]], dtype="float32")


def test_class_weights_count_the_train_labels():
    labels = np.array([[1, 0], [0, 0], [0, 0], [0, 0]], dtype="float32")
    weights = MultiLabelObjective.of(labels, class_weights=True).weights  # absent, present
    expected = [[4 / (2 * 3), 4 / (2 * 4)], [4 / (2 * 1), 1]]  # the second is never present
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    assert MultiLabelObjective.of(labels, class_weights=False).weights.tolist() == [[1, 1], [1, 1]]


def test_multi_label_loss_and_score_on_literal_numbers():
    objective = MultiLabelObjective(torch.tensor([[0.5, 1.0], [3.0, 2.0]]))
    expected = [
        3 * math.log(2) + 0.5 * math.log(2),
        2 * math.log(1 + math.exp(-2)) + 2 * (2 + math.log(1 + math.exp(-2))),
    ]
    assert objective.losses(LOGITS, torch.tensor(LABELS)).tolist() == pytest.approx(expected)
    # of the first class present is never predicted, of the second absent does not occur
    assert objective.scores(LOGITS, LABELS).tolist() == [0.5, 0.5]


def test_a_multi_label_network_is_one_component_of_means():
    bank, network = (
        MultiLabelObjective.of(LABELS, class_weights=True, bank=bank) for bank in (True, False)
    )
    labels = torch.tensor(LABELS)
    mean = bank.losses(LOGITS, labels).mean().item()
    assert network.losses(LOGITS, labels).tolist() == pytest.approx([mean])
    assert network.scores(LOGITS, LABELS).tolist() == [bank.scores(LOGITS, LABELS).mean()]
