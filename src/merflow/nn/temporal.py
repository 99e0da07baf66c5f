"""Temporal convolution network (Bai et al. 2018, deepmsi_mer section 3.1.3).

https://arxiv.org/abs/1803.01271
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils.parametrizations import weight_norm


class CausalConvolution(nn.Conv1d):
    """Equation 4: y(t) = sum over k of w_k x(t - d k), with dilation d.

    Steps before the beginning are 0. The paper prints x(t - d), without k. Torch keeps the weights
    in the order of time, so w_k is the k-th from the end.
    """

    def __init__(self, dim: int, out: int, kernel: int, dilation: int):
        """Create the convolution.

        Args:
            dim: channels of the input.
            out: channels of the output.
            kernel: number of steps.
            dilation: distance between the steps.
        """
        super().__init__(dim, out, kernel, dilation=dilation)

    def forward(self, values: Tensor) -> Tensor:
        """Convolve (B, dim, T) -> (B, out, T)."""
        return super().forward(pad(values, (self.dilation[0] * (self.kernel_size[0] - 1), 0)))


class TemporalBlock(nn.Module):
    """Two causal convolutions beside a residual connection.

    Each has weight normalisation, ReLU and dropout.
    """

    def __init__(self, dim: int, out: int, kernel: int, dilation: int, dropout: float):
        """Create the block.

        Args:
            dim: channels of the input.
            out: channels of the output.
            kernel: steps of each convolution.
            dilation: distance between the steps.
            dropout: probability.
        """
        super().__init__()
        first = weight_norm(CausalConvolution(dim, out, kernel, dilation))
        second = weight_norm(CausalConvolution(out, out, kernel, dilation))
        self.layers = nn.Sequential(
            *(first, nn.ReLU(), nn.Dropout(dropout)),
            *(second, nn.ReLU(), nn.Dropout(dropout)),
        )
        self.residual = nn.Identity() if dim == out else nn.Conv1d(dim, out, 1)

    def forward(self, values: Tensor) -> Tensor:
        """Apply the block, (B, dim, T) -> (B, out, T)."""
        return (self.layers(values) + self.residual(values)).relu()


class TemporalConvolution(nn.Module):
    """Blocks with dilations 1, 2, 4, ...: a step sees itself and earlier steps only."""

    def __init__(self, dim: int, channels: Sequence[int], kernel: int, dropout: float):
        """Create the blocks.

        Args:
            dim: length of an input vector.
            channels: output channels of each block.
            kernel: steps of each convolution.
            dropout: probability.
        """
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
        """Apply the blocks, (B, T, dim) -> (B, T, channels[-1])."""
        return self.blocks(values.mT).mT
