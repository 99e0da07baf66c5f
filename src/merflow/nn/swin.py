"""Swin Transformer (transformers' own) whose tokens are compressed between its stages (deepmsi_mer section 3.1.2, Figures 3 and 4).

After a compression the tokens form no grid, which Swin's windows and its patch merging need. They keep their order, row by row, and
fill the smallest grid of whole windows that holds them, the squarest of its size; places that stay empty are masked out of attention,
merging and pooling. Pictures of a batch whose grids have one shape are computed together, so the shape of a picture's grid, and its
vector, do not depend on the others. A picture that keeps every token keeps its grid: then this is plain Swin.
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

from merflow.features.pretrained import load
from merflow.features.vision.frozen import require
from merflow.nn.compression import Compression

Grid = tuple[int, int]
ATTENTION = "sdpa_present"


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    **kwargs: Any,
) -> Any:
    """Torch's attention, in which no place looks at an empty one: ``present`` (windows, places)."""
    present = kwargs.pop("present", None)
    if present is not None:
        empty = torch.zeros_like(present, dtype=attention_mask.dtype).masked_fill(
            ~present, torch.finfo(attention_mask.dtype).min / 2
        )
        attention_mask = attention_mask + empty[:, None, None]
    return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)


AttentionInterface.register(ATTENTION, _attention)


def load_swin(checkpoint: Path, pretrained: bool) -> SwinModel:
    """The Swin Transformer in `checkpoint`, a folder in the Hub's format; not `pretrained`: one of its layout, with random weights.

    Raises:
        CheckpointError: the checkpoint is no Swin Transformer, or lacks weights.
    """
    require(checkpoint, "swin")
    if pretrained:
        return load(SwinModel, checkpoint, optional=()).cpu()
    return SwinModel(SwinConfig.from_pretrained(checkpoint, local_files_only=True))


class Pixels(nn.Module):
    """Pictures as a checkpoint's image processor makes them, on the device: normalised by its mean and standard deviation."""

    mean: Tensor
    std: Tensor

    def __init__(self, checkpoint: Path):
        """Read preprocessor_config.json of `checkpoint`."""
        super().__init__()
        told = json.loads((checkpoint / "preprocessor_config.json").read_text(encoding="utf-8"))
        for name in ("mean", "std"):
            self.register_buffer(name, 255 * torch.tensor(told[f"image_{name}"]), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """uint8 RGB (B, H, W, 3) -> float32 (B, 3, H, W)."""
        return ((pictures.float() - self.mean) / self.std).permute(0, 3, 1, 2)


class CompressedSwin(nn.Module):
    """Vectors of pictures: the mean of the tokens that are left after the last stage, layer-normalised."""

    def __init__(self, swin: SwinModel, compressions: Mapping[int, Compression]):
        """`swin` with a compression after each stage that `compressions` names, counted from 1; after the last one there is none.

        Raises:
            ValueError: it has no such stage.
        """
        super().__init__()
        stages = len(swin.encoder.layers)
        if wrong := [stage for stage in compressions if not 1 <= stage < stages]:
            raise ValueError(
                f"no compression can follow stage {wrong[0]} of {stages}: name stages from 1 to {stages - 1}"
            )
        swin.pooler = None
        swin.set_attn_implementation(ATTENTION)
        self.swin = swin
        self.compressions = nn.ModuleDict(
            {str(stage): compression for stage, compression in sorted(compressions.items())}
        )
        self.window = swin.config.window_size
        self.shifts = [
            [block.shift_size for block in stage.blocks] for stage in swin.encoder.layers
        ]

    def forward(self, pixels: Tensor, meaning: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Compute vectors (B, dim), and how many tokens go into each stage after the first (B, stages - 1).

        Args:
            pixels: (B, 3, H, W).
            meaning: (B, m), what G_cls is made from; None: there is none.
        """
        tokens, grid = self.swin.embeddings(pixels)
        return self._from(0, tokens, None, grid, meaning)

    def _from(
        self,
        number: int,
        tokens: Tensor,
        present: Tensor | None,
        grid: Grid,
        meaning: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Stages `number` (from 0) and later, for tokens (B, h * w, d) of one grid; `present` (B, h * w), None: all are."""
        if number == len(self.shifts):
            return self._pooled(tokens, present), torch.empty(
                len(tokens), 0, dtype=torch.long, device=tokens.device
            )
        stage = self.swin.encoder.layers[number]
        for block, shift in zip(stage.blocks, self.shifts[number], strict=True):
            tokens = self._block(block, shift, tokens, present, grid)
        tokens, present, grid = _patches_merged(stage, tokens, present, grid)
        if str(number + 1) in self.compressions:
            there = (
                torch.ones_like(tokens[..., 0], dtype=torch.bool) if present is None else present
            )
            tokens, present = self.compressions[str(number + 1)](tokens, there, meaning)
        if present is None:
            vector, counts = self._from(number + 1, tokens, None, grid, meaning)
            every = torch.full(
                (len(tokens), min(1, len(self.shifts) - 1 - number)),
                tokens.shape[1],
                device=tokens.device,
            )
            return vector, torch.cat([every, counts], dim=1)
        rows: list[Tensor] = []
        vectors: list[Tensor] = []
        later: list[Tensor] = []
        for shape, here, full in _by_grid(present, grid, self.window):
            folded, held = fold(tokens[here], present[here], shape[0] * shape[1])
            told = None if meaning is None else meaning[here]
            vector, counts = self._from(number + 1, folded, None if full else held, shape, told)
            rows, vectors, later = [*rows, here], [*vectors, vector], [*later, counts]
        order = torch.cat(rows).argsort()
        kept = present.sum(dim=1, keepdim=True)[
            :, : len(self.shifts) - 1 - number
        ]  # none after the last stage
        return torch.cat(vectors)[order], torch.cat([kept, torch.cat(later)[order]], dim=1)

    def _block(
        self, block: SwinLayer, shift: int, tokens: Tensor, present: Tensor | None, grid: Grid
    ) -> Tensor:
        block.shift_size = (
            0 if min(grid) <= self.window else shift
        )  # Swin's own rule, which it applies once and for all
        masks = (
            {}
            if present is None
            else {"present": _windows(present, grid, self.window, block.shift_size)}
        )
        tokens, _ = block(tokens, grid, always_partition=True, **masks)
        return tokens

    def _pooled(self, tokens: Tensor, present: Tensor | None) -> Tensor:
        tokens = self.swin.layernorm(tokens)
        if present is None:
            return tokens.mean(dim=1)
        weights = present[..., None].to(tokens.dtype)
        return (tokens * weights).sum(dim=1) / weights.sum(dim=1)


def smallest_grid(count: int, window: int) -> Grid:
    """Height and width in places of the fewest whole windows that hold `count` tokens; the squarest, never higher than wide."""
    windows = -(-count // window**2)
    height = next(side for side in range(int(windows**0.5), 0, -1) if windows % side == 0)
    return height * window, windows // height * window


def fold(tokens: Tensor, present: Tensor, places: int) -> tuple[Tensor, Tensor]:
    """The tokens that are present in the first of `places` places, in their order, zeros after them: (B, places, d), (B, places)."""
    missing = max(0, places - present.shape[1])
    tokens, present = pad(tokens, (0, 0, 0, missing)), pad(present, (0, missing))
    order = present.int().argsort(dim=1, descending=True, stable=True)[:, :places]
    present = present.gather(1, order)
    return tokens.gather(1, order[..., None].expand(-1, -1, tokens.shape[2])) * present[
        ..., None
    ], present


def _by_grid(present: Tensor, grid: Grid, window: int) -> Iterator[tuple[Grid, Tensor, bool]]:
    """Each shape of grid, the rows (n,) of its pictures, and whether they fill it; a picture that keeps every token keeps its grid."""
    counts = present.sum(dim=1).tolist()
    shapes = [
        grid if count == present.shape[1] else smallest_grid(count, window) for count in counts
    ]
    for shape in dict.fromkeys(shapes):
        rows = [row for row, other in enumerate(shapes) if other == shape]
        full = all(counts[row] == shape[0] * shape[1] for row in rows)
        yield shape, torch.tensor(rows, device=present.device), full


def _patches_merged(
    stage: SwinStage, tokens: Tensor, present: Tensor | None, grid: Grid
) -> tuple[Tensor, Tensor | None, Grid]:
    """Two by two places become one, which is present if one of them was."""
    if stage.downsample is None:
        return tokens, present, grid
    if present is not None:
        tokens = tokens * present[..., None]
    tokens = stage.downsample(tokens, grid)
    if present is not None:
        present = (
            max_pool2d(
                present.to(tokens.dtype).unflatten(1, grid)[:, None], 2, ceil_mode=True
            ).flatten(1)
            > 0
        )
    return tokens, present, (-(-grid[0] // 2), -(-grid[1] // 2))


def _windows(present: Tensor, grid: Grid, window: int, shift: int) -> Tensor:
    """(B, h * w) -> (B * windows, window * window), as Swin pads, shifts and cuts the tokens."""
    places = pad(present.unflatten(1, grid), (0, -grid[1] % window, 0, -grid[0] % window)).roll(
        (-shift, -shift), (1, 2)
    )
    return window_partition(places[..., None], window).flatten(1)
