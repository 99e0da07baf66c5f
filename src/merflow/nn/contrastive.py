"""Contrastive loss between two views of a batch, with its labels (deepmsi_mer section 3.2)."""

import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus


def contrastive_loss(rows: Tensor, columns: Tensor, labels: Tensor, tau: float) -> Tensor:
    """Compute equation 5: rows should resemble columns of their class more than other columns.

    Let s be the cosine divided by `tau`. The loss of row i and another column j of its class is

        -log(e^(s_ij) / (e^(s_ij) + sum over k of other classes of e^(s_ik))).

    It is summed over j, divided by B - 1, and averaged over i. The diagonal is left out, as the
    paper says.

    Args:
        rows: (B, d).
        columns: (B, d).
        labels: (B,).
        tau: temperature.

    Returns:
        A scalar; 0 if no two examples share a class, or all of them do.
    """
    similarity = normalize(rows, dim=1) @ normalize(columns, dim=1).mT / tau
    same = labels[:, None] == labels
    negatives = similarity.masked_fill(same, torch.finfo(similarity.dtype).min)
    negative = negatives.logsumexp(dim=1, keepdim=True)
    positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    losses = softplus(negative - similarity) * positive  # -log(a / (a + b)) = log(1 + b / a)
    return losses.sum() / max(1, len(labels) * (len(labels) - 1))
