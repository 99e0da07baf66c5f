"""Contrastive loss between two views of a batch, with its labels (deepmsi_mer section 3.2, equation 5)."""

import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus


def contrastive_loss(rows: Tensor, columns: Tensor, labels: Tensor, tau: float) -> Tensor:
    """Equation 5: each row is to be more like the columns of its class than like those of other classes.

    For row i and each other column j of its class, -log(e^(s_ij) / (e^(s_ij) + sum over k of other classes of e^(s_ik))), where s is the
    cosine divided by `tau`; summed over j, divided by B - 1, and averaged over i. The diagonal is left out, as the paper says.

    Args:
        rows: (B, d).
        columns: (B, d).
        labels: (B,).
        tau: temperature.

    Returns:
        A scalar; 0 where no two examples are of one class, or none are of different ones.
    """
    similarity = normalize(rows, dim=1) @ normalize(columns, dim=1).mT / tau
    same = labels[:, None] == labels
    others = similarity.masked_fill(same, torch.finfo(similarity.dtype).min).logsumexp(
        dim=1, keepdim=True
    )
    positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    losses = softplus(others - similarity) * positive  # -log(a / (a + b)) = log(1 + b / a)
    return losses.sum() / max(1, len(labels) * (len(labels) - 1))
