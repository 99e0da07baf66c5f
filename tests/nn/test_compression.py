"""Equations 1 to 3 of the visual sequence compression, on literal tokens."""

import math

import pytest
import torch
from support.tiny_vision import COMPRESSION

from merflow.nn.compression import (
    Compression,
    fuse_cls,
    merge_tokens,
    nearest_relevant,
    relevance,
    select_above,
    select_top,
    straight_through,
)

TOKENS = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [9.0, 9.0]]])
PRESENT = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
DIM, MEANING = 6, 3


def compression(**changes):
    torch.manual_seed(0)
    return Compression(DIM, MEANING, **COMPRESSION | changes)


def frames(n=4, n_tokens=9):
    """Tokens, present and meaning of random frames."""
    torch.manual_seed(1)
    tokens = torch.randn(n, n_tokens, DIM)
    return tokens, torch.ones(n, n_tokens), torch.randn(n, MEANING)


def test_equation_1_adds_the_mean_of_the_tokens():
    v_cls = torch.tensor([[4 / 3, 2 / 3]])
    torch.testing.assert_close(fuse_cls(TOKENS, PRESENT, None), v_cls)
    g_cls = torch.tensor([[1.0, 1.0]])
    torch.testing.assert_close(fuse_cls(TOKENS, PRESENT, g_cls), v_cls + g_cls)


def test_equation_2_is_a_softmax_of_products_with_m_cls():
    scores = relevance(TOKENS, PRESENT, torch.tensor([[1.0, 0.5]]), tau=2.0)
    # products with (1, 0.5), divided by 2
    exponentials = torch.tensor([math.exp(0.5), math.exp(0.5), math.exp(1.5), 0.0])
    torch.testing.assert_close(scores[0], exponentials / exponentials.sum())


def test_equation_2_keeps_scores_from_gamma_and_the_best():
    scores = torch.tensor([[0.2, 0.3, 0.5, 0.0]])
    assert select_above(scores, PRESENT, 0.3).tolist() == [[False, True, True, False]]
    assert select_above(scores, PRESENT, 0.6).tolist() == [[False, False, True, False]]
    assert select_above(scores, PRESENT, -math.inf).tolist() == [[True, True, True, False]]


def test_top_k_keeps_a_share_of_each_frame():
    scores = torch.tensor([[0.2, 0.3, 0.5, 0.0], [0.4, 0.1, 0.2, 0.3]])
    present = torch.tensor([[1.0, 1.0, 1.0, 0.0], [1.0] * 4])
    # 1.5 tokens are rounded up
    expected = [[False, True, True, False], [True, False, False, True]]
    assert select_top(scores, present, 0.5).tolist() == expected
    assert select_top(scores, present, 1.0).equal(present > 0)


def test_equation_3_finds_the_largest_product():
    relevant = torch.tensor([[True, True, False, False]])
    # <(3, 0), (1, 0)> = 3, <(3, 0), (0, 2)> = 0
    assert nearest_relevant(TOKENS, relevant)[0, 2].item() == 0


def test_equation_3_merges_irrelevant_tokens_into_relevant_ones():
    tokens = torch.tensor([[10.0, 20.0, 1.0, 3.0, 7.0], [1.0, 2.0, 3.0, 4.0, 5.0]])[..., None]
    irrelevant = torch.tensor(
        [[False, False, True, True, False], [True, False, False, False, False]]
    )
    j = torch.tensor([[0, 1, 1, 1, 0], [4, 0, 0, 0, 0]])
    first, second = merge_tokens(tokens, irrelevant, j, alpha=0.9)[..., 0].tolist()
    # the mean of tokens 1 and 3 is 2
    assert first == pytest.approx([10, 0.9 * 20 + 0.1 * 2, 1, 3, 7])
    assert second == pytest.approx([1, 2, 3, 4, 0.9 * 5 + 0.1 * 1])


@pytest.mark.parametrize("merge", [True, False])
def test_without_a_threshold_every_token_is_unchanged(merge):
    tokens, present, meaning = frames()
    present[0, 5:] = 0
    compressed, kept = compression(gamma=-math.inf, merge=merge)(tokens, present, meaning)
    assert kept.equal(present)
    assert compressed.equal(tokens)


def test_a_gamma_of_1_is_the_score_of_equal_tokens():
    tokens, present, meaning = frames()
    scores = relevance(tokens, present, fuse_cls(tokens, present, None), 1.0)
    assert scores.sum(dim=1).tolist() == pytest.approx([1] * 4)
    _, kept = compression(gamma=1.0, merge=False)(tokens, present, meaning)
    assert ((kept.sum(dim=1) >= 1) & (kept.sum(dim=1) < 9)).all()
    equal = tokens[:, :1].expand(-1, 9, -1)
    _, kept = compression(gamma=0.99)(equal, present, meaning)
    assert kept.all()
    _, kept = compression(gamma=1.01)(equal, present, meaning)
    assert kept.sum(dim=1).tolist() == [1] * 4


def test_the_selection_depends_on_the_meaning():
    tokens, present, meaning = frames(n=16, n_tokens=25)
    network = compression()
    _, kept = network(tokens, present, meaning)
    _, kept_by_opposite = network(tokens, present, -meaning)
    assert not kept.equal(kept_by_opposite)


def test_merging_changes_relevant_tokens_but_not_the_selection():
    tokens, present, meaning = frames()
    merged, kept = compression(merge=True)(tokens, present, meaning)
    unmerged, kept_unmerged = compression(merge=False)(tokens, present, meaning)
    assert kept.equal(kept_unmerged)
    assert unmerged.equal(tokens)
    is_kept = kept > 0
    assert merged[~is_kept].equal(tokens[~is_kept])
    assert (merged[is_kept] != tokens[is_kept]).any()


def test_tokens_that_are_not_kept_have_a_gradient_by_merging():
    tokens, present, meaning = frames()
    tokens.requires_grad_()
    compressed, kept = compression()(tokens, present, meaning)
    compressed[kept > 0].sum().backward()
    assert (tokens.grad != 0).any(dim=2).all()


def test_a_kept_token_counts_1_with_the_gradient_of_log_scores():
    scores = torch.tensor([[0.2, 0.8]], requires_grad=True)
    count = straight_through(torch.tensor([[False, True]]), scores)
    assert count.tolist() == [[0.0, 1.0]]
    count.sum().backward()
    assert scores.grad.tolist() == [[0.0, pytest.approx(1 / 0.8)]]


@pytest.mark.parametrize("guide", ["learned", "random"])
@pytest.mark.parametrize("selection", ["threshold", "top_k"])
def test_the_choice_trains_the_map_to_g_cls_alone(guide, selection):
    tokens, present, meaning = frames()
    tokens.requires_grad_()
    network = compression(guide=guide, selection=selection)
    _, kept = network(tokens, present, meaning)
    assert kept.requires_grad == (guide == "learned")
    if kept.requires_grad:
        (kept * torch.arange(9.0)).sum().backward()
        assert all(parameter.grad.any() for parameter in network.guide.parameters())
    assert tokens.grad is None


@pytest.mark.parametrize(("guide", "learns"), [("learned", True), ("random", False)])
def test_text_learns_to_name_the_tokens_that_count(guide, learns):
    """Tokens are of two kinds; the text names one, and the label is the class of its tokens."""
    generator = torch.Generator().manual_seed(0)
    kinds = torch.rand(256, 8, generator=generator) < 0.5
    named = torch.arange(256) % 2 == 1
    labels = torch.randint(2, (256, 2), generator=generator)  # of either kind
    classes = labels.gather(1, kinds.long())
    tokens = torch.randn(256, 8, DIM, generator=generator) / 4
    tokens[..., 0] += 2 * kinds - 1.0
    tokens[..., 1] += 2 * classes - 1.0
    # texts have much in common
    meaning = torch.tensor([2.0, 1.0, 0.0]) + 0.3 * (2 * named[:, None] - 1.0) * torch.eye(3)[2]
    label = labels.gather(1, named.long()[:, None])[:, 0]
    network, present = compression(guide=guide, merge=False), torch.ones(256, 8)

    def mask(texts):
        return network(tokens, present, texts)[1]

    def agreement():
        other = meaning.roll(1, 0)  # which name the other kind
        return ((mask(meaning) > 0) == (mask(other) > 0)).float().mean().item()

    assert agreement() > 0.6
    head = torch.nn.Linear(DIM, 2)
    trained = [p for p in (*network.parameters(), *head.parameters()) if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=0.05)
    for _ in range(80):
        counts = mask(meaning)[..., None]
        logits = head((tokens * counts).sum(dim=1) / counts.sum(dim=1))
        loss = torch.nn.functional.cross_entropy(logits, label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    accuracy = (logits.argmax(dim=1) == label).float().mean()
    assert (agreement() < 0.5) == learns
    assert (accuracy > 0.95) == learns
