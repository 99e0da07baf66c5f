"""A bank equals networks of torch: outputs, gradients, initialisation and training."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from merflow.nn.bank import LinearBank, LstmBank

LENGTHS = torch.tensor([1, 5, 3, 5, 2])  # one sequence of one step, two that fill the batch
MASK = torch.arange(5) < LENGTHS[:, None]


def sequences(seed=1):
    return torch.randn(5, 5, 7, generator=torch.Generator().manual_seed(seed)) * MASK[..., None]


def network_of(bank, index):
    """Copy the network `index` of a bank to a layer of torch."""
    if isinstance(bank, LinearBank):
        network = nn.Linear(bank.weight.shape[2], bank.weight.shape[1])
    else:
        network = nn.LSTM(bank.weight_ih_l0.shape[2], bank.units, bank.layers, batch_first=True)
    network.load_state_dict({name: value[index] for name, value in bank.state_dict().items()})
    return network


def last_states(lstm, values):
    """Run each sequence alone, without padding."""
    rows = zip(values, LENGTHS, strict=True)
    return torch.cat([lstm(row[None, :length])[0][:, -1] for row, length in rows])


def lstm_bank(n=6, dim=7, units=4, layers=3, **changes):
    torch.manual_seed(0)
    return LstmBank(n, dim, units, layers, **changes)


def test_each_linear_layer_equals_torch_s():
    torch.manual_seed(0)
    bank, values = LinearBank(6, 7, 3), torch.randn(6, 5, 7)
    outputs = bank(values)
    assert outputs.shape == (6, 5, 3)
    for index in range(6):
        torch.testing.assert_close(outputs[index], network_of(bank, index)(values[index]))


@pytest.mark.parametrize("layers", [1, 3])
def test_each_lstm_equals_torch_s_on_single_sequences(layers):
    bank, values = lstm_bank(layers=layers), sequences()
    outputs = bank(values, MASK)
    assert outputs.shape == (6, 5, 4)
    for index in range(6):
        torch.testing.assert_close(outputs[index], last_states(network_of(bank, index), values))
    # networks and sequences differ
    assert torch.unique(outputs.flatten(0, 1), dim=0).shape == (30, 4)


def test_gradients_equal_torch_s():
    bank, values = lstm_bank(), sequences().requires_grad_()
    bank(values, MASK).square().sum().backward()
    expected = torch.zeros_like(values)
    for index in range(6):
        lstm, copied = network_of(bank, index), values.detach().clone().requires_grad_()
        last_states(lstm, copied).square().sum().backward()
        expected += copied.grad
        for name, parameter in lstm.named_parameters():
            torch.testing.assert_close(getattr(bank, name).grad[index], parameter.grad)
    torch.testing.assert_close(values.grad, expected)


def test_padding_is_never_read():
    bank, values = lstm_bank(), sequences()
    expected = bank(values, MASK)
    spoiled = values.masked_fill(~MASK[..., None], 1e3)
    longer = torch.cat([spoiled, torch.full((5, 4, 7), -1e3)], dim=1)
    longer_mask = torch.arange(9) < LENGTHS[:, None]
    assert torch.equal(bank(longer, longer_mask), expected)
    bank(longer, longer_mask).sum().backward()
    gradients = {name: parameter.grad.clone() for name, parameter in bank.named_parameters()}
    bank.zero_grad()
    bank(values, MASK).sum().backward()
    for name, parameter in bank.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad)


def test_a_bank_starts_like_networks_of_torch():
    torch.manual_seed(0)
    banks = {LstmBank(2, 50, 64, 2): nn.LSTM(50, 64, 2), LinearBank(2, 100, 64): nn.Linear(100, 64)}
    for bank, network in banks.items():
        parameters = dict(network.named_parameters())
        shapes = {name: tuple(value.shape) for name, value in bank.named_parameters()}
        assert shapes == {name: (2, *value.shape) for name, value in parameters.items()}
        bound = 1 / math.sqrt(64 if isinstance(network, nn.LSTM) else 100)
        for name, value in bank.named_parameters():
            for weights in (*value, parameters[name]):
                assert 0.9 * bound < weights.abs().max() <= bound
                assert weights.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.2)
            assert not torch.equal(value[0], value[1])


@pytest.mark.parametrize(("layers", "random"), [(1, False), (2, True)])
def test_dropout_is_between_layers_in_training(layers, random):
    values = sequences()
    bank = lstm_bank(layers=layers, dropout=0.5)
    assert torch.equal(bank.train()(values, MASK), bank(values, MASK)) != random
    assert (bank(values, MASK) != 0).all()
    without = lstm_bank(layers=layers)
    torch.testing.assert_close(bank.eval()(values, MASK), without(values, MASK))


class Networks(nn.Module):
    """`n` networks of an LSTM and a linear layer with one output."""

    def __init__(self, n):
        super().__init__()
        self.lstm, self.output = LstmBank(n, 7, 4, 2), LinearBank(n, 4, 1)

    def forward(self, values, mask):
        return self.output(self.lstm(values, mask)).squeeze(2)  # (n, B)


class SingleNetwork(nn.Module):
    """Network `index` of `networks`, of torch's layers."""

    def __init__(self, networks, index):
        super().__init__()
        self.lstm = network_of(networks.lstm, index)
        self.output = network_of(networks.output, index)

    def forward(self, values, mask):
        return self.output(last_states(self.lstm, values)).T


def train(network, labels, **options):
    """Train a copy for 8 steps of Adam on different batches, and return its weights."""
    network = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02, **options)
    for step in range(8):
        logits = network(sequences(step), MASK)
        losses = binary_cross_entropy_with_logits(logits, labels, reduction="none")
        optimizer.zero_grad()
        losses.mean(dim=1).sum().backward()  # summed over networks
        optimizer.step()
    return network.state_dict()


@pytest.mark.parametrize("options", [{}, {"fused": True}])
def test_training_together_equals_training_each_alone(options):
    torch.manual_seed(0)
    networks, labels = Networks(6), torch.randint(0, 2, (6, 5)).float()
    before, together = networks.state_dict(), train(networks, labels, **options)
    for index in range(6):
        alone = train(SingleNetwork(networks, index), labels[index][None], **options)
        for name, value in alone.items():
            torch.testing.assert_close(together[name][index], value, atol=1e-5, rtol=1e-4)
            assert not torch.allclose(before[name][index], value, atol=1e-2)
