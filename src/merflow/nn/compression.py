"""Visual sequence compression (deepmsi_mer section 3.1.1): which tokens of a frame are kept.

Each equation is a function. Tokens are (B, N, d), with one frame per row. Frames keep different
numbers of tokens, so ``present`` (B, N) is 1 where there is a token and 0 elsewhere.

A choice has no gradient, so G_cls could not learn. Hence `straight_through`: a kept token counts 1,
and its count has the gradient of its log score. Pooling and patch merging are weighted by the
counts.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, layer_norm, one_hot


def fuse_cls(tokens: Tensor, present: Tensor, g_cls: Tensor | None) -> Tensor:
    """Compute equation 1: m_cls = v_cls + G_cls, where v_cls is the mean of the tokens.

    Args:
        tokens: (B, N, d).
        present: (B, N).
        g_cls: (B, d); None gives v_cls alone.

    Returns:
        (B, d).
    """
    weights = (present > 0)[..., None].to(tokens.dtype)
    v_cls = (tokens * weights).sum(dim=1) / weights.sum(dim=1)
    return v_cls if g_cls is None else v_cls + g_cls


def relevance(tokens: Tensor, present: Tensor, m_cls: Tensor, tau: float) -> Tensor:
    """Compute sigma(S) of equation 2: a softmax over the tokens of their product with m_cls.

    Args:
        tokens: (B, N, d).
        present: (B, N).
        m_cls: (B, d).
        tau: temperature, which divides the products.

    Returns:
        (B, N), 0 in places without a token.
    """
    similarity = torch.einsum("bnd,bd->bn", tokens, m_cls) / tau
    return similarity.masked_fill(present <= 0, float("-inf")).softmax(dim=1)


def select_above(scores: Tensor, present: Tensor, gamma: float) -> Tensor:
    """Select tokens (B, N) by equation 2: scores from `gamma`, and always the best."""
    best = one_hot(scores.argmax(dim=1), scores.shape[1]).bool()
    return (present > 0) & (scores >= gamma) | best


def select_top(scores: Tensor, present: Tensor, keep: float) -> Tensor:
    """Select the best share `keep` of the tokens (B, N) of each frame, rounded up."""
    is_token = present > 0
    order = scores.masked_fill(~is_token, -1).argsort(dim=1, descending=True, stable=True)
    ranks = order.argsort(dim=1)
    return ranks < (is_token.sum(dim=1) * keep).ceil()[:, None]


def straight_through(relevant: Tensor, scores: Tensor) -> Tensor:
    """Count tokens (B, N): 1 if kept, else 0, with the gradient of log scores."""
    logs = scores.clamp(min=torch.finfo(scores.dtype).tiny).log()
    return relevant * (1 + (logs - logs.detach()))


def nearest_relevant(tokens: Tensor, relevant: Tensor) -> Tensor:
    """Find j (B, N) of equation 3: the relevant token with the largest product."""
    similarity = tokens @ tokens.mT
    return similarity.masked_fill(~relevant[:, None], float("-inf")).argmax(dim=2)


def merge_tokens(tokens: Tensor, irrelevant: Tensor, j: Tensor, alpha: float) -> Tensor:
    """Merge each irrelevant token i: Z_j <- alpha Z_j + (1 - alpha) Z_i (equation 3).

    Where more than one irrelevant token has the same j, Z_i is their mean.

    Args:
        tokens: (B, N, d).
        irrelevant: (B, N), tokens that are merged into others.
        j: (B, N), token into which each one is merged.
        alpha: weight of Z_j.

    Returns:
        (B, N, d); tokens into which none is merged are unchanged.
    """
    size, n_tokens, _ = tokens.shape
    first_rows = n_tokens * torch.arange(size, device=j.device)[:, None]
    targets = (j + first_rows)[irrelevant]  # rows among the tokens of all frames
    sums = torch.zeros_like(tokens).flatten(0, 1).index_add(0, targets, tokens[irrelevant])
    ones = torch.ones_like(sums[:, :1])[: len(targets)]
    counts = torch.zeros_like(sums[:, :1]).index_add(0, targets, ones)
    means = (sums / counts.clamp(min=1)).view_as(tokens)
    is_target = counts.view(size, n_tokens, 1) > 0
    return torch.where(is_target, alpha * tokens + (1 - alpha) * means, tokens)


class Standardised(nn.BatchNorm1d):
    """Vectors less the mean of all that were met in training, by their standard deviation.

    Vectors of two texts have most in common, and so would their G_cls. In evaluation a value does
    not depend on the rest of its batch. In training it does a little: each batch is learned from
    first.
    """

    def __init__(self, dim: int):
        """Create the layer for vectors (B, dim)."""
        super().__init__(dim, affine=False, momentum=None)  # None: all batches count alike

    def forward(self, vectors: Tensor) -> Tensor:
        """Standardise (B, dim); in training, (B, dim) with B > 1 are learned from first."""
        if self.training and len(vectors) > 1:
            super().forward(vectors)
        return batch_norm(vectors, self.running_mean, self.running_var, eps=self.eps)


class Compression(nn.Module):
    """Keeps the tokens of a frame that fit text and audio, and merges the others.

    Similarities compare layer-normalised tokens. So that one value serves every stage, tau is in
    units of sqrt(d), as in attention. For the same reason, the threshold gamma is in units of 1/N,
    the score of each of N equal tokens.

    G_cls is a linear layer over text and audio, layer-normalised. The gain of the normalisation is
    learned: it weighs G_cls in the "weighted sum" of equation 1. The choice trains G_cls alone, not
    the tokens.
    """

    def __init__(
        self,
        dim: int,
        meaning_dim: int,
        selection: Literal["threshold", "top_k"],
        gamma: float,
        keep: float,
        merge: bool,
        alpha: float,
        tau: float,
        guide: Literal["learned", "random"],
        guide_scale: float,
    ):
        """Create the layer.

        Args:
            dim: length of a token.
            meaning_dim: length of the vector of text and audio that gives G_cls; 0 for none.
            selection: `select_above` (threshold) or `select_top` (top_k).
            gamma: threshold, in units of 1/N.
            keep: share of the tokens, for top_k.
            merge: whether to merge irrelevant tokens into relevant ones.
            alpha: weight of a relevant token in a merge.
            tau: temperature, in units of sqrt(d).
            guide: whether G_cls is learned, or a random map of text and audio.
            guide_scale: first gain of G_cls; 1 is the scale of a token.
        """
        super().__init__()
        self.selection, self.gamma, self.keep = selection, gamma, keep
        self.merge, self.alpha, self.tau = merge, alpha, tau * dim**0.5
        self.guide: nn.Module | None = None
        if meaning_dim:
            norm = nn.LayerNorm(dim)
            nn.init.constant_(norm.weight, guide_scale)
            self.guide = nn.Sequential(nn.Linear(meaning_dim, dim), norm)
            # parameters without a gradient stop distributed training
            self.guide.requires_grad_(guide == "learned")

    def forward(
        self, tokens: Tensor, present: Tensor, meaning: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Compress.

        Args:
            tokens: (B, N, dim).
            present: (B, N).
            meaning: (B, meaning_dim), vector of text and audio; None leaves G_cls out.

        Returns:
            Tokens in their places (B, N, dim), and `present` of the kept ones (B, N).
        """
        normed = layer_norm(tokens.detach(), tokens.shape[2:])
        g_cls = None if self.guide is None or meaning is None else self.guide(meaning)
        scores = relevance(normed, present, fuse_cls(normed, present, g_cls), self.tau)
        relevant = self._select(scores.detach(), present)
        if self.merge:
            j = nearest_relevant(normed, relevant)
            tokens = merge_tokens(tokens, (present > 0) & ~relevant, j, self.alpha)
        return tokens, present * straight_through(relevant, scores)

    def _select(self, scores: Tensor, present: Tensor) -> Tensor:
        if self.selection == "top_k":
            return select_top(scores, present, self.keep)
        n_present = (present > 0).sum(dim=1, keepdim=True)
        return select_above(scores * n_present, present, self.gamma)
