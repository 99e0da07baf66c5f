"""Banks: E networks of one shape, trained side by side as one.

Every parameter has the networks as its first dimension, and entry e meets entry e of the others alone. So the gradient of the
networks' summed loss is, slice by slice, that of each network's own loss, and Adam, which works value by value, makes the steps that it
would make with each alone. Initialisation and names of parameters are those of torch.nn.Linear and torch.nn.LSTM.
"""

import torch
from torch import Tensor, nn


def _uniform(shape: tuple[int, ...], fan: int) -> nn.Parameter:
    bound = fan**-0.5
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


class LinearBank(nn.Module):
    """E linear layers."""

    def __init__(self, n: int, dim: int, out: int):
        """`n` layers from `dim` to `out`."""
        super().__init__()
        self.weight = _uniform((n, out, dim), dim)
        self.bias = _uniform((n, out), dim)

    def forward(self, values: Tensor) -> Tensor:
        """Input of each layer (E, B, dim) -> (E, B, out)."""
        return torch.baddbmm(self.bias[:, None], values, self.weight.mT)


class LstmBank(nn.Module):
    """E LSTMs of stacked layers over the same sequences.

    The input's products with the weights are one multiplication for all steps of a layer; what depends on the step before is one per
    step for all E.
    """

    def __init__(self, n: int, dim: int, units: int, layers: int, dropout: float = 0.0):
        """`n` LSTMs of `layers` times `units`, with `dropout` on the output of every layer but the last."""
        super().__init__()
        self.n, self.units, self.layers = n, units, layers
        self.dropout = nn.Dropout(dropout)
        for layer in range(layers):
            self.register_parameter(
                f"weight_ih_l{layer}", _uniform((n, 4 * units, units if layer else dim), units)
            )
            self.register_parameter(f"weight_hh_l{layer}", _uniform((n, 4 * units, units), units))
            self.register_parameter(f"bias_ih_l{layer}", _uniform((n, 4 * units), units))
            self.register_parameter(f"bias_hh_l{layer}", _uniform((n, 4 * units), units))

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Output of the last layer at each sequence's last step.

        Args:
            values: (B, T, dim), padding after the content.
            mask: (B, T), True where there is content, at least one step of each sequence.

        Returns:
            (E, B, units).
        """
        size, steps, _ = values.shape
        states = (
            values.transpose(0, 1).flatten(0, 1).expand(self.n, -1, -1)
        )  # (E, T * B, dim), steps vary slowest
        for layer in range(self.layers):
            states = self._layer(layer, self.dropout(states) if layer else states, steps)
        last = (
            mask.sum(dim=1) - 1
        )  # padding comes after the content, so no state of content has seen it
        return states.unflatten(1, (steps, size))[:, last, torch.arange(size, device=last.device)]

    def _layer(self, layer: int, values: Tensor, steps: int) -> Tensor:
        """Input of each LSTM's layer (E, T * B, dim) -> its output (E, T * B, units)."""
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        weight_ih, weight_hh, bias_ih, bias_hh = (
            getattr(self, f"{kind}_l{layer}") for kind in kinds
        )
        projected = torch.baddbmm((bias_ih + bias_hh)[:, None], values, weight_ih.mT).unflatten(
            1, (steps, -1)
        )
        hidden = cell = projected.new_zeros(*projected[:, 0].shape[:2], self.units)  # (E, B, units)
        outputs = []
        for step in projected.unbind(dim=1):  # (E, B, 4 * units)
            input_gate, forget_gate, candidate, output_gate = torch.baddbmm(
                step, hidden, weight_hh.mT
            ).chunk(4, dim=2)
            cell = forget_gate.sigmoid() * cell + input_gate.sigmoid() * candidate.tanh()
            hidden = output_gate.sigmoid() * cell.tanh()
            outputs.append(hidden)
        return torch.stack(outputs, dim=1).flatten(1, 2)
