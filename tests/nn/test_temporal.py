"""Temporal convolutions see earlier steps only, as far as their dilations reach."""

import pytest
import torch

from merflow.nn.temporal import CausalConvolution, TemporalBlock, TemporalConvolution


def test_equation_4_on_a_literal_sequence():
    convolution = CausalConvolution(1, 1, kernel=3, dilation=2)
    w_0, w_1, w_2 = 1.0, 10.0, 100.0
    weights = {"weight": torch.tensor([[[w_2, w_1, w_0]]]), "bias": torch.zeros(1)}
    convolution.load_state_dict(weights)
    x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    at = lambda t: x[t] if t >= 0 else 0.0
    expected = [w_0 * at(t) + w_1 * at(t - 2) + w_2 * at(t - 4) for t in range(6)]
    assert expected == [1, 2, 13, 24, 135, 246]
    assert convolution(torch.tensor([[x]]))[0, 0].tolist() == expected


def test_a_step_sees_itself_and_earlier_steps_only():
    torch.manual_seed(0)
    network = TemporalConvolution(dim=4, channels=[8, 8, 8], kernel=3, dropout=0.5).eval()
    frames = torch.randn(2, 15, 4)
    before = network(frames)
    assert before.shape == (2, 15, 8)
    frames[:, 9] += 1
    changed = (network(frames) != before).any(dim=(0, 2)).tolist()
    assert changed == [False] * 9 + [True] * 6


def test_a_block_of_one_width_adds_its_input_as_it_is():
    block = TemporalBlock(dim=3, out=3, kernel=3, dilation=1, dropout=0.0).eval()
    values = torch.randn(2, 3, 5)
    assert torch.equal(block(values), (block.layers(values) + values).relu())


@pytest.mark.parametrize(("levels", "reach"), [(1, 5), (2, 13), (3, 29)])
def test_the_last_of_15_frames_sees_the_reach_of_the_levels(levels, reach):
    """Two convolutions of three steps per level reach 1 + 4 (2^levels - 1) steps."""
    torch.manual_seed(0)
    network = TemporalConvolution(dim=2, channels=[4] * levels, kernel=3, dropout=0.0).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()  # no ReLU is dead
    frames = torch.rand(1, 15, 2, requires_grad=True)
    network(frames)[0, -1].sum().backward()
    n_seen = (frames.grad[0] != 0).any(dim=1).sum().item()
    assert n_seen == min(reach, 15)
