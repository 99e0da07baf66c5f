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


def alone(bank, index):
    """The network `index` of a bank, as torch has it."""
    if isinstance(bank, LinearBank):
        network = nn.Linear(bank.weight.shape[2], bank.weight.shape[1])
    else:
        network = nn.LSTM(bank.weight_ih_l0.shape[2], bank.units, bank.layers, batch_first=True)
    network.load_state_dict({name: value[index] for name, value in bank.state_dict().items()})
    return network


def last_states(lstm, values):
    """Each sequence on its own, without padding."""
    return torch.cat(
        [lstm(row[None, :length])[0][:, -1] for row, length in zip(values, LENGTHS, strict=True)]
    )


def lstm_bank(n=6, dim=7, units=4, layers=3, **changed):
    torch.manual_seed(0)
    return LstmBank(n, dim, units, layers, **changed)


def test_each_linear_layer_is_one_of_torch():
    torch.manual_seed(0)
    bank, values = LinearBank(6, 7, 3), torch.randn(6, 5, 7)
    found = bank(values)
    assert found.shape == (6, 5, 3)
    for index in range(6):
        torch.testing.assert_close(found[index], alone(bank, index)(values[index]))


@pytest.mark.parametrize("layers", [1, 3])
def test_each_lstm_is_one_of_torch_on_the_sequence_alone(layers):
    bank, values = lstm_bank(layers=layers), sequences()
    found = bank(values, MASK)
    assert found.shape == (6, 5, 4)
    for index in range(6):
        torch.testing.assert_close(found[index], last_states(alone(bank, index), values))
    assert torch.unique(found.flatten(0, 1), dim=0).shape == (
        30,
        4,
    )  # networks and sequences do differ


def test_gradients_are_those_of_the_lstms_of_torch():
    bank, values = lstm_bank(), sequences().requires_grad_()
    bank(values, MASK).square().sum().backward()
    of_values = torch.zeros_like(values)
    for index in range(6):
        lstm, copied = alone(bank, index), values.detach().clone().requires_grad_()
        last_states(lstm, copied).square().sum().backward()
        of_values += copied.grad
        for name, parameter in lstm.named_parameters():
            torch.testing.assert_close(getattr(bank, name).grad[index], parameter.grad)
    torch.testing.assert_close(values.grad, of_values)


def test_padding_is_never_read():
    bank, values = lstm_bank(), sequences()
    expected = bank(values, MASK)
    longer = torch.cat(
        [values.masked_fill(~MASK[..., None], 1e3), torch.full((5, 4, 7), -1e3)], dim=1
    )
    assert torch.equal(bank(longer, torch.arange(9) < LENGTHS[:, None]), expected)
    bank(longer, torch.arange(9) < LENGTHS[:, None]).sum().backward()
    seen = {name: parameter.grad.clone() for name, parameter in bank.named_parameters()}
    bank.zero_grad()
    bank(values, MASK).sum().backward()
    for name, parameter in bank.named_parameters():
        torch.testing.assert_close(seen[name], parameter.grad)


def test_a_bank_starts_like_networks_of_torch():
    torch.manual_seed(0)
    banks = {LstmBank(2, 50, 64, 2): nn.LSTM(50, 64, 2), LinearBank(2, 100, 64): nn.Linear(100, 64)}
    for bank, network in banks.items():
        parameters = dict(network.named_parameters())
        assert [(name, tuple(value.shape)) for name, value in bank.named_parameters()] == [
            (name, (2, *value.shape)) for name, value in parameters.items()
        ]
        bound = 1 / math.sqrt(64 if isinstance(network, nn.LSTM) else 100)
        for name, value in bank.named_parameters():
            for drawn in (*value, parameters[name]):
                assert 0.9 * bound < drawn.abs().max() <= bound
                assert drawn.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.2)
            assert not torch.equal(value[0], value[1])


def test_dropout_is_between_the_layers_of_a_network_in_training():
    values = sequences()
    for layers, changes in ((1, False), (2, True)):
        bank = lstm_bank(layers=layers, dropout=0.5)
        assert torch.equal(bank.train()(values, MASK), bank(values, MASK)) != changes
        torch.testing.assert_close(
            bank.eval()(values, MASK), lstm_bank(layers=layers)(values, MASK)
        )
        assert (bank.train()(values, MASK) != 0).all()


class Networks(nn.Module):
    """An LSTM and a linear layer with one output: `n` of them."""

    def __init__(self, n):
        super().__init__()
        self.lstm, self.output = LstmBank(n, 7, 4, 2), LinearBank(n, 4, 1)

    def forward(self, values, mask):
        return self.output(self.lstm(values, mask)).squeeze(2)  # (n, B)


class Alone(nn.Module):
    """The same of torch's own layers, from one slice of `networks`."""

    def __init__(self, networks, index):
        super().__init__()
        self.lstm, self.output = alone(networks.lstm, index), alone(networks.output, index)

    def forward(self, values, mask):
        return self.output(last_states(self.lstm, values)).T


def trained(network, labels, **settings):
    """Its weights after 8 steps of Adam, each on another batch, the loss summed over networks."""
    network = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02, **settings)
    for step in range(8):
        logits = network(sequences(step), MASK)
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(
            dim=1
        ).sum().backward()
        optimizer.step()
    return network.state_dict()


@pytest.mark.parametrize("settings", [{}, {"fused": True}])
def test_training_together_is_training_each_alone(settings):
    torch.manual_seed(0)
    networks, labels = Networks(6), torch.randint(0, 2, (6, 5)).float()
    together = trained(networks, labels, **settings)
    for index in range(6):
        separate = trained(Alone(networks, index), labels[index][None], **settings)
        for name, value in separate.items():
            torch.testing.assert_close(together[name][index], value, atol=1e-5, rtol=1e-4)
            assert not torch.allclose(
                networks.state_dict()[name][index], value, atol=1e-2
            )  # it did learn
