"""SwinV2 that sheds tokens inside a stage, as the authors' code of deepmsi_mer does.

The layout is the one of their repository (https://github.com/ZMW-DW/DeepMSI-MER), the blocks are
transformers' own. After blocks 0, 2 and 4 of the third stage the tokens most like m_cls are kept:
256, then 196, 144 and 100. They are put in order of their similarity and folded into a square grid,
row by row. Windows are half as wide as the grid. Nothing is merged: the code computes a merge and
does not use it. G_cls is a random map there, too, since no gradient reaches it.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity
from transformers import Swinv2Config, Swinv2Model
from transformers.models.swinv2.modeling_swinv2 import Swinv2Layer


def most_similar(tokens: Tensor, m_cls: Tensor, count: int) -> Tensor:
    """Keep the `count` tokens with the largest cosine to m_cls, best first.

    Args:
        tokens: (B, N, d).
        m_cls: (B, d).
        count: number of tokens.

    Returns:
        (B, count, d).
    """
    scores = cosine_similarity(tokens, m_cls[:, None], dim=2)
    best = scores.topk(count, dim=1).indices
    return tokens.gather(1, best[..., None].expand(-1, -1, tokens.shape[2]))


class SheddingSwin(nn.Module):
    """Vectors of frames: the mean of the last stage's tokens, layer-normalised.

    Attributes:
        dim: length of a vector.
    """

    def __init__(
        self,
        config: Swinv2Config,
        shed_in: int,
        grids: Sequence[int],
        meaning_dim: int,
        guide_units: int,
    ):
        """Create the network with random weights.

        Args:
            config: layout of SwinV2.
            shed_in: stage, from 1, inside which tokens are shed.
            grids: sides of the grid after blocks 0, 2, 4, ... of this stage, even.
            meaning_dim: length of the vector of text and audio that gives G_cls.
            guide_units: hidden units of the map that gives G_cls.

        Raises:
            ValueError: no such stage, or the grids do not fit it.
        """
        super().__init__()
        first = config.image_size // config.patch_size // 2 ** (shed_in - 1)
        _check(config, shed_in, [first, *grids])
        self.shed_in, self.grids = shed_in, tuple(grids)
        self.swin = Swinv2Model(config, add_pooling_layer=False)
        self.dim = config.hidden_size
        self._fit_windows(first)
        width = config.embed_dim * 2 ** (shed_in - 1)
        self.guide = nn.Sequential(
            nn.Linear(meaning_dim, guide_units),
            nn.LayerNorm(guide_units),
            nn.LeakyReLU(),
            nn.Linear(guide_units, width),
        ).requires_grad_(False)

    def _fit_windows(self, side: int) -> None:
        """Make the blocks anew from stage `shed_in` on, whose first grid has `side`.

        Windows are half as wide as the grid inside this stage, and as wide in later ones.
        """
        for stage in self.swin.encoder.layers[self.shed_in - 1 :]:
            shedding = stage is self.swin.encoder.layers[self.shed_in - 1]
            for number, block in enumerate(stage.blocks):
                window = side // 2 if shedding else side
                stage.blocks[number] = self._made(block, side, window, number)
                side = self._side_after(number, side) if shedding else side
            side = -(-side // 2)

    def _side_after(self, number: int, side: int) -> int:
        """Side of the grid after block `number` of the stage that sheds."""
        sheds = number % 2 == 0 and number // 2 < len(self.grids)
        return self.grids[number // 2] if sheds else side

    def _made(self, block: Swinv2Layer, side: int, window: int, number: int) -> nn.Module:
        """Make a block with random weights that is like `block`, for a grid of `side`."""
        config = copy.deepcopy(self.swin.config)
        config.window_size = window
        made = Swinv2Layer(
            config,
            dim=block.attention.self.all_head_size,
            input_resolution=(side, side),
            num_heads=block.attention.self.num_attention_heads,
            drop_path_rate=getattr(block.drop_path, "drop_prob", 0.0),
            shift_size=window // 2 if number % 2 else 0,
        )
        return made.apply(self.swin._init_weights)

    def forward(self, pixels: Tensor, meaning: Tensor) -> tuple[Tensor, Tensor]:
        """Compute vectors, and count the tokens that enter each stage after the first.

        Args:
            pixels: (B, 3, size, size).
            meaning: (B, meaning_dim), vector of text and audio.

        Returns:
            Vectors (B, dim) and counts (B, stages - 1).
        """
        tokens, (side, _) = self.swin.embeddings(pixels)
        g_cls = self.guide(meaning)
        counts = []
        for number, stage in enumerate(self.swin.encoder.layers, 1):
            for place, block in enumerate(stage.blocks):
                tokens = block(tokens, (side, side))[0]
                after = self._side_after(place, side) if number == self.shed_in else side
                if after < side:
                    side = after
                    tokens = most_similar(tokens, tokens.mean(dim=1) + g_cls, side**2)
            if stage.downsample is not None:
                tokens = stage.downsample(tokens, (side, side))
                side = -(-side // 2)
                counts.append(tokens.shape[1])
        n_tokens = torch.tensor([counts], device=pixels.device).expand(len(pixels), -1)
        return self.swin.layernorm(tokens).mean(dim=1), n_tokens


def _check(config: Swinv2Config, shed_in: int, sides: Sequence[int]) -> None:
    """Refuse grids that the stage cannot have, in one line."""
    n_stages = len(config.depths)
    if not 1 <= shed_in <= n_stages:
        raise ValueError(f"tokens cannot be shed in stage {shed_in} of {n_stages}")
    if config.depths[shed_in - 1] < 2 * len(sides) - 3:
        raise ValueError(
            f"stage {shed_in} has {config.depths[shed_in - 1]} blocks, too few for "
            f"{len(sides) - 1} grids"
        )
    if list(sides) != sorted(set(sides), reverse=True) or any(side % 2 for side in sides):
        raise ValueError(
            f"grids of sides {', '.join(map(str, sides))}: each must be even and smaller than the "
            "one before"
        )
