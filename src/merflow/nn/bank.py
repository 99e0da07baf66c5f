"""Banks: E networks of one shape, trained side by side as one.

Every parameter has the networks as its first dimension, and entry e meets only entry e of other
parameters. Slice e of the gradient of the summed loss is therefore the gradient of network e's own
loss. Adam works value by value, so it makes the same steps as with each network alone.
Initialisation and names of parameters follow torch.nn.Linear and torch.nn.LSTM.
"""

import torch
from torch import Tensor, nn


def _uniform(shape: tuple[int, ...], fan: int) -> nn.Parameter:
    bound = fan**-0.5
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


class LinearBank(nn.Module):
    """E linear layers."""

    def __init__(self, n: int, dim: int, out: int):
        """Create the layers.

        Args:
            n: number of layers, E.
            dim: inputs of each layer.
            out: outputs of each layer.
        """
        super().__init__()
        self.weight = _uniform((n, out, dim), dim)
        self.bias = _uniform((n, out), dim)

    def forward(self, values: Tensor) -> Tensor:
        """Apply each layer to its own input (E, B, dim) -> (E, B, out)."""
        return torch.baddbmm(self.bias[:, None], values, self.weight.mT)


class LstmBank(nn.Module):
    """E LSTMs of stacked layers over the same sequences.

    The products of the input with the weights are one multiplication for all steps of a layer. The
    products of the hidden state are one multiplication per step for all E.
    """

    def __init__(self, n: int, dim: int, units: int, layers: int, dropout: float = 0.0):
        """Create the LSTMs.

        Args:
            n: number of LSTMs, E.
            dim: inputs of each LSTM.
            units: hidden units of each layer.
            layers: number of stacked layers.
            dropout: probability, on the output of every layer but the last.
        """
        super().__init__()
        self.n, self.units, self.layers = n, units, layers
        self.dropout = nn.Dropout(dropout)
        for layer in range(layers):
            inputs = units if layer else dim
            self.register_parameter(f"weight_ih_l{layer}", _uniform((n, 4 * units, inputs), units))
            self.register_parameter(f"weight_hh_l{layer}", _uniform((n, 4 * units, units), units))
            self.register_parameter(f"bias_ih_l{layer}", _uniform((n, 4 * units), units))
            self.register_parameter(f"bias_hh_l{layer}", _uniform((n, 4 * units), units))

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Compute the output of the last layer at each sequence's last step.

        Args:
            values: (B, T, dim), padded at the end.
            mask: (B, T), True for content; each sequence has at least one step.

        Returns:
            (E, B, units).
        """
        size, steps, _ = values.shape
        states = values.transpose(0, 1).flatten(0, 1)  # (T * B, dim), steps vary slowest
        states = states.expand(self.n, -1, -1)  # (E, T * B, dim)
        for layer in range(self.layers):
            states = self._layer(layer, self.dropout(states) if layer else states, steps)
        # padding follows the content, so no state of content has seen it
        last = mask.sum(dim=1) - 1
        return states.unflatten(1, (steps, size))[:, last, torch.arange(size, device=last.device)]

    def _layer(self, layer: int, values: Tensor, steps: int) -> Tensor:
        """Apply a layer of each LSTM, (E, T * B, dim) -> (E, T * B, units)."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        parameters = (getattr(self, f"{name}_l{layer}") for name in names)
        weight_ih, weight_hh, bias_ih, bias_hh = parameters
        projected = torch.baddbmm((bias_ih + bias_hh)[:, None], values, weight_ih.mT)
        projected = projected.unflatten(1, (steps, -1))  # (E, T, B, 4 * units)
        hidden = cell = projected.new_zeros(*projected[:, 0].shape[:2], self.units)  # (E, B, units)
        outputs = []
        for step in projected.unbind(dim=1):
            gates = torch.baddbmm(step, hidden, weight_hh.mT)  # (E, B, 4 * units)
            input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=2)
            cell = forget_gate.sigmoid() * cell + input_gate.sigmoid() * candidate.tanh()
            hidden = output_gate.sigmoid() * cell.tanh()
            outputs.append(hidden)
        return torch.stack(outputs, dim=1).flatten(1, 2)
