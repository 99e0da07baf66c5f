"""Video network of deepmsi_mer: frames through a Swin Transformer, then a temporal convolution.

Two networks encode a frame. `compressed_swin` is the paper's (section 3.1.2), and `shedding_swin`
is the one of the authors' code.
"""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from merflow.nn.compression import Compression
from merflow.nn.temporal import TemporalConvolution

# transformers' models take seconds to import, and papers' other systems have none


class Video(nn.Module):
    """Frames, each encoded alone (section 3.1.2), then a temporal convolution (section 3.1.3)."""

    def __init__(
        self,
        pixels: nn.Module,
        swin: nn.Module,
        channels: Sequence[int],
        kernel: int,
        dropout: float,
    ):
        """Put the parts together.

        Args:
            pixels: normalises frames.
            swin: (B, 3, H, W) and (B, meaning_dim) -> vectors (B, swin.dim), and the number of
                tokens that enter each stage after the first (B, stages - 1).
            channels, kernel, dropout: of the blocks of the temporal convolution.
        """
        super().__init__()
        self.pixels, self.swin = pixels, swin
        self.temporal = TemporalConvolution(swin.dim, channels, kernel, dropout)  # type: ignore[arg-type]

    def of_frames(self, frames: Tensor, meaning: Tensor | None) -> tuple[Tensor, Tensor]:
        """Encode every frame alone.

        Args:
            frames: (B, T, H, W, 3).
            meaning: (B, meaning_dim), vector that G_cls is made from.

        Returns:
            Vectors of frames (B, T, dim), and the number of tokens that enter each stage of Swin
            after the first (B, T, stages - 1).
        """
        size, steps = frames.shape[:2]
        of_frames = None if meaning is None else meaning.repeat_interleave(steps, dim=0)
        vectors, n_tokens = self.swin(self.pixels(frames.flatten(0, 1)), of_frames)
        return vectors.unflatten(0, (size, steps)), n_tokens.unflatten(0, (size, steps))

    def forward(self, frames: Tensor, meaning: Tensor | None) -> Tensor:
        """Video feature (B, channels[-1]): the last step, which has seen the steps before it."""
        return self.temporal(self.of_frames(frames, meaning)[0])[:, -1]


def compressed_swin(
    size: int,
    meaning_dim: int,
    *,
    checkpoint: Path,
    pretrained: bool,
    compress_after: Sequence[int],
    channels: Sequence[int],
    kernel: int,
    dropout: float,
    **compression: float | str,
) -> Video:
    """Build the paper's network: a checkpoint of Swin with compressions between its stages.

    Args:
        size: side of a frame in pixels; the network takes any.
        meaning_dim: length of the vector that G_cls is made from; 0 for none.
        checkpoint: folder of Swin.
        pretrained: start from its weights, not from random ones.
        compress_after: stages, from 1, that a compression follows.
        channels, kernel, dropout: of the blocks of the temporal convolution.
        compression: parameters of each compression.

    Raises:
        CheckpointError: the checkpoint is not a Swin Transformer, or lacks weights.
        ValueError: no compression can follow a stage that `compress_after` names.
    """
    from merflow.nn.swin import CompressedSwin, Pixels, load_swin

    swin = load_swin(checkpoint, pretrained)
    width = swin.config.embed_dim
    compressions = {
        stage: Compression(width * 2**stage, meaning_dim, **compression)  # type: ignore[arg-type]
        for stage in compress_after
    }
    network = CompressedSwin(swin, compressions)
    return Video(Pixels(checkpoint), network, channels, kernel, dropout)


def shedding_swin(
    size: int,
    meaning_dim: int,
    *,
    checkpoint: Path,
    layout: dict[str, int | float | list[int]],
    shed_in: int,
    grids: Sequence[int],
    guide_units: int,
    channels: Sequence[int],
    kernel: int,
    dropout: float,
) -> Video:
    """Build the network of the authors' code: a SwinV2 with random weights that sheds tokens.

    Args:
        size: side of a frame in pixels.
        meaning_dim: length of the vector that G_cls is made from.
        checkpoint: folder of a model that normalises frames alike; its weights are not used.
        layout: fields of transformers' Swinv2Config.
        shed_in: stage, from 1, inside which tokens are shed.
        grids: sides of the grid after blocks 0, 2, 4, ... of this stage.
        guide_units: hidden units of the map that gives G_cls.
        channels, kernel, dropout: of the blocks of the temporal convolution.

    Raises:
        ValueError: frames or grids do not fit the layout.
    """
    from transformers import Swinv2Config

    from merflow.nn.shedding import SheddingSwin
    from merflow.nn.swin import Pixels

    config = Swinv2Config(image_size=size, **layout)
    network = SheddingSwin(config, shed_in, grids, meaning_dim, guide_units)
    return Video(Pixels(checkpoint), network, channels, kernel, dropout)
