"""Swin Transformer with token compression between its stages (deepmsi_mer section 3.1.2).

The transformer is transformers' own; Figures 3 and 4 of the paper show the compression. After it,
the tokens form no grid, but Swin's windows and its patch merging need one. The tokens keep their
order, row by row, and fill the smallest grid of whole windows that holds them. Of the grids of this
size it is the squarest. Places that stay empty are masked out of attention, merging and pooling.
``present`` is 1 in places with a token and 0 in others, and has the gradient that trains G_cls.

Frames of a batch whose grids have one shape are computed together. The grid of a frame, and hence
its vector, does not depend on the other frames. A frame that keeps every token keeps its grid; then
this is plain Swin.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad
from transformers import AttentionInterface, SwinConfig, SwinModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.models.swin.modeling_swin import SwinLayer, SwinStage, window_partition

from merflow.features.pretrained import load_to_train
from merflow.features.vision.frozen import require_model_type
from merflow.nn.compression import Compression

Grid = tuple[int, int]  # height and width in places
ATTENTION = "sdpa_present"


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    **kwargs: Any,
) -> Any:
    """Apply torch's attention without looking at empty places: ``present`` (windows, places)."""
    present = kwargs.pop("present", None)
    if present is not None:
        lowest = torch.finfo(attention_mask.dtype).min / 2
        empty = torch.zeros_like(present, dtype=attention_mask.dtype).masked_fill(~present, lowest)
        attention_mask = attention_mask + empty[:, None, None]
    return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)


AttentionInterface.register(ATTENTION, _attention)


def load_swin(checkpoint: Path, pretrained: bool) -> SwinModel:
    """Load a Swin Transformer.

    Args:
        checkpoint: folder in the Hub's format.
        pretrained: whether to use its weights; else only its layout, with random weights.

    Raises:
        CheckpointError: the checkpoint is not a Swin Transformer, or lacks weights.
    """
    require_model_type(checkpoint, "swin")
    if pretrained:
        return load_to_train(SwinModel, checkpoint, optional=())
    return SwinModel(SwinConfig.from_pretrained(checkpoint, local_files_only=True))


class Pixels(nn.Module):
    """Normalises frames on the device, by the mean and standard deviation of a checkpoint."""

    mean: Tensor
    std: Tensor

    def __init__(self, checkpoint: Path):
        """Read preprocessor_config.json of `checkpoint`."""
        super().__init__()
        config = json.loads((checkpoint / "preprocessor_config.json").read_text(encoding="utf-8"))
        for name in ("mean", "std"):
            values = 255 * torch.tensor(config[f"image_{name}"])
            self.register_buffer(name, values, persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Convert uint8 RGB (B, H, W, 3) to float32 (B, 3, H, W)."""
        return ((frames.float() - self.mean) / self.std).permute(0, 3, 1, 2)


class CompressedSwin(nn.Module):
    """Vectors of frames: the mean of the last stage's tokens, layer-normalised.

    Attributes:
        dim: length of a vector.
    """

    def __init__(self, swin: SwinModel, compressions: Mapping[int, Compression]):
        """Insert the compressions.

        Args:
            swin: the transformer.
            compressions: number of a stage, from 1 -> the compression after it. The last stage can
                have none.

        Raises:
            ValueError: `compressions` names another stage.
        """
        super().__init__()
        n_stages = len(swin.encoder.layers)
        if wrong := [stage for stage in compressions if not 1 <= stage < n_stages]:
            raise ValueError(
                f"no compression can follow stage {wrong[0]} of {n_stages}: "
                f"name stages from 1 to {n_stages - 1}"
            )
        swin.pooler = None
        swin.set_attn_implementation(ATTENTION)
        self.swin = swin
        self.dim = swin.config.hidden_size
        self.compressions = nn.ModuleDict(
            {str(stage): compression for stage, compression in sorted(compressions.items())}
        )
        self.window = swin.config.window_size
        self.shifts = [
            [block.shift_size for block in stage.blocks] for stage in swin.encoder.layers
        ]

    def forward(self, pixels: Tensor, meaning: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Compute vectors, and count the tokens that enter each stage after the first.

        Args:
            pixels: (B, 3, H, W).
            meaning: (B, m), vector of text and audio that gives G_cls, or None.

        Returns:
            Vectors (B, dim) and counts (B, stages - 1).
        """
        tokens, grid = self.swin.embeddings(pixels)
        return self._run_from(0, tokens, None, grid, meaning)

    def _run_from(
        self,
        number: int,
        tokens: Tensor,
        present: Tensor | None,
        grid: Grid,
        meaning: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Run stage `number`, from 0, and all later ones on frames of one grid.

        Args:
            number: number of the stage.
            tokens: (B, h * w, d).
            present: (B, h * w), or None if every place has a token.
            grid: h and w.
            meaning: (B, m) or None.

        Returns:
            Vectors (B, dim), and counts of the tokens that enter the stages after `number`.
        """
        if number == len(self.shifts):
            no_counts = torch.empty(len(tokens), 0, dtype=torch.long, device=tokens.device)
            return self._pool(tokens, present), no_counts
        tokens, present, grid = self._stage(number, tokens, present, grid, meaning)
        n_later = len(self.shifts) - 1 - number
        if present is None:
            vectors, counts = self._run_from(number + 1, tokens, None, grid, meaning)
            kept = torch.full((len(tokens), 1), tokens.shape[1], device=tokens.device)
        else:
            vectors, counts = self._regrid_and_run(number + 1, tokens, present, grid, meaning)
            kept = (present > 0).sum(dim=1, keepdim=True)
        return vectors, torch.cat([kept[:, :n_later], counts], dim=1)

    def _stage(
        self,
        number: int,
        tokens: Tensor,
        present: Tensor | None,
        grid: Grid,
        meaning: Tensor | None,
    ) -> tuple[Tensor, Tensor | None, Grid]:
        """Apply the blocks of a stage, its patch merging, and the compression after it."""
        stage = self.swin.encoder.layers[number]
        for block, shift in zip(stage.blocks, self.shifts[number], strict=True):
            tokens = self._block(block, shift, tokens, present, grid)
        tokens, present, grid = _merge_patches(stage, tokens, present, grid)
        if str(number + 1) in self.compressions:
            if present is None:
                present = torch.ones_like(tokens[..., 0])
            tokens, present = self.compressions[str(number + 1)](tokens, present, meaning)
        return tokens, present, grid

    def _regrid_and_run(
        self, number: int, tokens: Tensor, present: Tensor, grid: Grid, meaning: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Fold each frame's tokens into its own grid, then run from stage `number`.

        Frames of one grid are computed together.
        """
        rows: list[Tensor] = []
        vectors: list[Tensor] = []
        counts: list[Tensor] = []
        learning = present.requires_grad  # a full grid has a gradient, too
        for shape, group, full in _group_by_grid(present, grid, self.window):
            folded, folded_present = fold(tokens[group], present[group], shape[0] * shape[1])
            group_meaning = None if meaning is None else meaning[group]
            group_vectors, group_counts = self._run_from(
                number,
                folded,
                None if full and not learning else folded_present,
                shape,
                group_meaning,
            )
            rows.append(group)
            vectors.append(group_vectors)
            counts.append(group_counts)
        order = torch.cat(rows).argsort()
        return torch.cat(vectors)[order], torch.cat(counts)[order]

    def _block(
        self, block: SwinLayer, shift: int, tokens: Tensor, present: Tensor | None, grid: Grid
    ) -> Tensor:
        # Swin's own rule, which it would apply once and for all grids
        block.shift_size = 0 if min(grid) <= self.window else shift
        masks = {}
        if present is not None:
            masks["present"] = _windows(present > 0, grid, self.window, block.shift_size)
        tokens, _ = block(tokens, grid, always_partition=True, **masks)
        return tokens

    def _pool(self, tokens: Tensor, present: Tensor | None) -> Tensor:
        tokens = self.swin.layernorm(tokens)
        if present is None:
            return tokens.mean(dim=1)
        weights = present[..., None].to(tokens.dtype)
        return (tokens * weights).sum(dim=1) / weights.sum(dim=1)


def smallest_grid(count: int, window: int) -> Grid:
    """Choose the grid of the fewest whole windows that hold `count` tokens.

    It is the squarest of its size, and never higher than wide.
    """
    n_windows = -(-count // window**2)
    height = next(side for side in range(int(n_windows**0.5), 0, -1) if n_windows % side == 0)
    return height * window, n_windows // height * window


def fold(tokens: Tensor, present: Tensor, places: int) -> tuple[Tensor, Tensor]:
    """Move the present tokens to the first of `places` places, in their order.

    Returns:
        Tokens (B, places, d) with zeros in empty places, and present (B, places).
    """
    missing = max(0, places - present.shape[1])
    tokens, present = pad(tokens, (0, 0, 0, missing)), pad(present, (0, missing))
    order = (present > 0).int().argsort(dim=1, descending=True, stable=True)[:, :places]
    present = present.gather(1, order)
    folded = tokens.gather(1, order[..., None].expand(-1, -1, tokens.shape[2]))
    return folded * present[..., None].to(folded.dtype), present


def _group_by_grid(present: Tensor, grid: Grid, window: int) -> Iterator[tuple[Grid, Tensor, bool]]:
    """Group frames by the grid that their tokens are folded into.

    A frame that keeps every token keeps its grid.

    Yields:
        A grid, the rows (n,) of its frames, and whether all of them fill it.
    """
    counts = (present > 0).sum(dim=1).tolist()
    shapes = [
        grid if count == present.shape[1] else smallest_grid(count, window) for count in counts
    ]
    for shape in dict.fromkeys(shapes):
        rows = [row for row, row_shape in enumerate(shapes) if row_shape == shape]
        full = all(counts[row] == shape[0] * shape[1] for row in rows)
        yield shape, torch.tensor(rows, device=present.device), full


def _merge_patches(
    stage: SwinStage, tokens: Tensor, present: Tensor | None, grid: Grid
) -> tuple[Tensor, Tensor | None, Grid]:
    """Merge two by two places into one, which is present if one of them was."""
    if stage.downsample is None:
        return tokens, present, grid
    if present is not None:
        tokens = tokens * present[..., None].to(tokens.dtype)
    tokens = stage.downsample(tokens, grid)
    if present is not None:
        places = present.unflatten(1, grid)[:, None]  # (B, 1, h, w)
        present = max_pool2d(places, 2, ceil_mode=True).flatten(1)
    return tokens, present, (-(-grid[0] // 2), -(-grid[1] // 2))


def _windows(present: Tensor, grid: Grid, window: int, shift: int) -> Tensor:
    """Cut (B, h * w) into windows (B * n_windows, window * window) as Swin does."""
    padded = pad(present.unflatten(1, grid), (0, -grid[1] % window, 0, -grid[0] % window))
    shifted = padded.roll((-shift, -shift), (1, 2))
    return window_partition(shifted[..., None], window).flatten(1)
