"""Visual sequence compression (deepmsi_mer section 3.1.1): which tokens of a picture are kept, and what becomes of the others.

Each equation is a function. Tokens are (B, N, d), one picture a row; ``present`` (B, N) is True where there is one, since pictures
keep different numbers of tokens.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, one_hot


def fused(tokens: Tensor, present: Tensor, meaning: Tensor | None) -> Tensor:
    """Equation 1: m_cls = v_cls + G_cls, where v_cls is the mean of the tokens; without G_cls (B, d) it is v_cls alone. (B, d)."""
    weights = present[..., None].to(tokens.dtype)
    v_cls = (tokens * weights).sum(dim=1) / weights.sum(dim=1)
    return v_cls if meaning is None else v_cls + meaning


def relevance(tokens: Tensor, present: Tensor, m_cls: Tensor, tau: float) -> Tensor:
    """Equation 2, sigma(S): softmax over the tokens of their product with m_cls (B, d), divided by `tau`. (B, N), 0 where no token is."""
    similarity = torch.einsum("bnd,bd->bn", tokens, m_cls) / tau
    return similarity.masked_fill(~present, float("-inf")).softmax(dim=1)


def above(scores: Tensor, present: Tensor, gamma: float) -> Tensor:
    """Equation 2: tokens (B, N) with a score of `gamma` or more; the best one always."""
    best = one_hot(scores.argmax(dim=1), scores.shape[1]).bool()
    return present & (scores >= gamma) | best


def top(scores: Tensor, present: Tensor, keep: float) -> Tensor:
    """The variant of the authors' code: the best share `keep` of the tokens of each picture, rounded up. (B, N)."""
    ranks = (
        scores.masked_fill(~present, -1).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    )
    return ranks < (present.sum(dim=1) * keep).ceil()[:, None]


def nearest(tokens: Tensor, relevant: Tensor) -> Tensor:
    """Equation 3: for each token the relevant one with the largest product, j (B, N)."""
    similarity = tokens @ tokens.mT
    return similarity.masked_fill(~relevant[:, None], float("-inf")).argmax(dim=2)


def merged(tokens: Tensor, irrelevant: Tensor, j: Tensor, alpha: float) -> Tensor:
    """Equation 3: Z_j <- alpha Z_j + (1 - alpha) Z_i for each irrelevant token i, of several with the same j their mean.

    Args:
        tokens: (B, N, d).
        irrelevant: (B, N), those that are merged into others.
        j: (B, N), into which.
        alpha: how much of Z_j stays.

    Returns:
        (B, N, d); what nothing is merged into is unchanged.
    """
    into = (j + tokens.shape[1] * torch.arange(len(tokens), device=j.device)[:, None])[
        irrelevant
    ]  # rows of all pictures' tokens
    sums = torch.zeros_like(tokens).flatten(0, 1).index_add(0, into, tokens[irrelevant])
    counts = torch.zeros_like(sums[:, :1]).index_add(
        0, into, torch.ones_like(sums[:, :1])[: len(into)]
    )
    means = (sums / counts.clamp(min=1)).view_as(tokens)
    return torch.where(
        counts.view(*tokens.shape[:2], 1) > 0, alpha * tokens + (1 - alpha) * means, tokens
    )


class Compression(nn.Module):
    """Keeps the tokens of a picture that are relevant to what was said and how, and merges the others into them.

    Similarities are of layer-normalised tokens, and tau is in units of sqrt(d), as in attention, so that one value serves every stage.
    The threshold gamma is in units of 1/N, the score of each of N tokens that are all alike, for the same reason.
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
    ):
        """Of tokens of `dim`; `meaning_dim` is the length of what G_cls is made from, 0: there is none."""
        super().__init__()
        self.selection, self.gamma, self.keep = selection, gamma, keep
        self.merge, self.alpha, self.tau = merge, alpha, tau * dim**0.5
        self.meaning = nn.Linear(meaning_dim, dim) if meaning_dim else None
        if (
            self.meaning is not None
        ):  # a choice of tokens has no gradient, and weights without one stop distributed training
            self.meaning.requires_grad_(False)

    def forward(
        self, tokens: Tensor, present: Tensor, meaning: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Compress.

        Args:
            tokens: (B, N, dim).
            present: (B, N).
            meaning: (B, meaning_dim).

        Returns:
            Tokens in their places (B, N, dim), and which of them are kept (B, N).
        """
        with torch.no_grad():
            normed = layer_norm(tokens, tokens.shape[2:])
            g_cls = None
            if self.meaning is not None and meaning is not None:
                g_cls = layer_norm(self.meaning(meaning), tokens.shape[2:])
            scores = relevance(normed, present, fused(normed, present, g_cls), self.tau)
            if self.selection == "threshold":
                relevant = above(scores * present.sum(dim=1, keepdim=True), present, self.gamma)
            else:
                relevant = top(scores, present, self.keep)
            j = nearest(normed, relevant) if self.merge else None
        return tokens if j is None else merged(tokens, present & ~relevant, j, self.alpha), relevant
