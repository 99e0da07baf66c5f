"""Temporal convolution network (Bai et al. 2018, https://arxiv.org/abs/1803.01271; deepmsi_mer section 3.1.3, equation 4)."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils.parametrizations import weight_norm


class CausalConvolution(nn.Conv1d):
    """Equation 4: y(t) is the sum over k of w_k x(t - d k), d the dilation; what lies before the beginning is 0.

    The paper prints x(t - d), without k. Torch keeps the weights in the order of time, so w_k is the k-th from the end.
    """

    def __init__(self, dim: int, out: int, kernel: int, dilation: int):
        """From `dim` to `out` channels, `kernel` steps that lie `dilation` apart."""
        super().__init__(dim, out, kernel, dilation=dilation)

    def forward(self, values: Tensor) -> Tensor:
        """(B, dim, T) -> (B, out, T)."""
        return super().forward(pad(values, (self.dilation[0] * (self.kernel_size[0] - 1), 0)))


class TemporalBlock(nn.Module):
    """Two causal convolutions, each with weight normalisation, ReLU and dropout, beside a residual connection."""

    def __init__(self, dim: int, out: int, kernel: int, dilation: int, dropout: float):
        """From `dim` to `out` channels."""
        super().__init__()
        self.layers = nn.Sequential(
            *(
                weight_norm(CausalConvolution(dim, out, kernel, dilation)),
                nn.ReLU(),
                nn.Dropout(dropout),
            ),
            *(
                weight_norm(CausalConvolution(out, out, kernel, dilation)),
                nn.ReLU(),
                nn.Dropout(dropout),
            ),
        )
        self.residual = nn.Identity() if dim == out else nn.Conv1d(dim, out, 1)

    def forward(self, values: Tensor) -> Tensor:
        """(B, dim, T) -> (B, out, T)."""
        return (self.layers(values) + self.residual(values)).relu()


class TemporalConvolution(nn.Module):
    """Blocks with dilations 1, 2, 4, ...: a step sees itself and those before it, no later one."""

    def __init__(self, dim: int, channels: Sequence[int], kernel: int, dropout: float):
        """A block for each of `channels`, from `dim`."""
        super().__init__()
        widths = [dim, *channels]
        self.dim = widths[-1]
        self.blocks = nn.Sequential(
            *(
                TemporalBlock(widths[level], out, kernel, 2**level, dropout)
                for level, out in enumerate(channels)
            )
        )

    def forward(self, values: Tensor) -> Tensor:
        """(B, T, dim) -> (B, T, channels[-1])."""
        return self.blocks(values.mT).mT
