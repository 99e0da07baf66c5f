import math

import pytest
import torch

from merflow.nn.compression import Compression, above, fused, merged, nearest, relevance, top

TOKENS = torch.tensor(
    [[[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [9.0, 9.0]]]
)  # the last one is not there
PRESENT = torch.tensor([[True, True, True, False]])
DIM, MEANING = 6, 3


def compression(**changes):
    torch.manual_seed(0)
    return Compression(
        DIM,
        MEANING,
        **{
            "selection": "threshold",
            "gamma": 1.0,
            "keep": 0.5,
            "merge": True,
            "alpha": 0.9,
            "tau": 1.0,
        }
        | changes,
    )


def pictures(n=4, tokens=9):
    torch.manual_seed(1)
    return (
        torch.randn(n, tokens, DIM),
        torch.ones(n, tokens, dtype=torch.bool),
        torch.randn(n, MEANING),
    )


def test_equation_1_adds_the_mean_of_the_tokens_to_the_meaning():
    torch.testing.assert_close(
        fused(TOKENS, PRESENT, torch.tensor([[1.0, 1.0]])), torch.tensor([[4 / 3 + 1, 2 / 3 + 1]])
    )
    torch.testing.assert_close(fused(TOKENS, PRESENT, None), torch.tensor([[4 / 3, 2 / 3]]))


def test_equation_2_is_a_softmax_over_the_tokens_of_their_product_with_m_cls():
    scores = relevance(TOKENS, PRESENT, torch.tensor([[1.0, 0.5]]), tau=2.0)
    exponentials = [
        math.exp(0.5),
        math.exp(0.5),
        math.exp(1.5),
    ]  # <(1, 0), (1, .5)> / 2, <(0, 2), (1, .5)> / 2, <(3, 0), (1, .5)> / 2
    torch.testing.assert_close(
        scores, torch.tensor([[value / sum(exponentials) for value in exponentials] + [0.0]])
    )


def test_equation_2_keeps_what_reaches_gamma_and_always_the_best():
    scores = torch.tensor([[0.2, 0.3, 0.5, 0.0]])
    assert above(scores, PRESENT, 0.3).tolist() == [[False, True, True, False]]
    assert above(scores, PRESENT, 0.6).tolist() == [[False, False, True, False]]
    assert above(scores, PRESENT, -math.inf).tolist() == PRESENT.tolist()


def test_top_k_keeps_a_share_of_the_tokens_of_each_picture():
    scores = torch.tensor([[0.2, 0.3, 0.5, 0.0], [0.4, 0.1, 0.2, 0.3]])
    there = torch.tensor([[True, True, True, False], [True] * 4])
    assert top(scores, there, 0.5).tolist() == [
        [False, True, True, False],
        [True, False, False, True],
    ]  # 1.5 is rounded up
    assert top(scores, there, 1.0).tolist() == there.tolist()


def test_equation_3_finds_the_relevant_token_with_the_largest_product():
    relevant = torch.tensor([[True, True, False, False]])
    assert nearest(TOKENS, relevant)[0, 2].item() == 0  # <(3, 0), (1, 0)> = 3, <(3, 0), (0, 2)> = 0


def test_equation_3_merges_each_irrelevant_token_into_its_relevant_one():
    tokens = torch.tensor(
        [[[10.0], [20.0], [1.0], [3.0], [7.0]], [[1.0], [2.0], [3.0], [4.0], [5.0]]]
    )
    irrelevant = torch.tensor(
        [[False, False, True, True, False], [True, False, False, False, False]]
    )
    j = torch.tensor([[0, 1, 1, 1, 0], [4, 0, 0, 0, 0]])
    found = merged(tokens, irrelevant, j, alpha=0.9)
    assert found[0, :, 0].tolist() == pytest.approx(
        [10, 0.9 * 20 + 0.1 * 2, 1, 3, 7]
    )  # of two, their mean
    assert found[1, :, 0].tolist() == pytest.approx([1, 2, 3, 4, 0.9 * 5 + 0.1 * 1])


@pytest.mark.parametrize("merge", [True, False])
def test_without_a_threshold_every_token_is_kept_as_it_was(merge):
    tokens, present, meaning = pictures()
    present[0, 5:] = False
    found, kept = compression(gamma=-math.inf, merge=merge)(tokens, present, meaning)
    assert kept.equal(present)
    assert found.equal(tokens)


def test_gamma_of_1_is_the_score_of_tokens_that_are_all_alike():
    tokens, present, meaning = pictures()
    scores = relevance(tokens, present, fused(tokens, present, None), 1.0)
    network = compression(gamma=1.0, merge=False)
    kept = network(tokens, present, meaning)[1].sum(dim=1)
    assert ((kept >= 1) & (kept < 9)).all()
    assert scores.sum(dim=1).tolist() == pytest.approx([1] * 4)
    assert compression(gamma=0.99)(tokens[:, :1].expand(-1, 9, -1), present, meaning)[1].all()
    assert (
        compression(gamma=1.01)(tokens[:, :1].expand(-1, 9, -1), present, meaning)[1]
        .sum(dim=1)
        .tolist()
        == [1] * 4
    )


def test_what_is_kept_depends_on_the_meaning():
    tokens, present, meaning = pictures(n=16, tokens=25)
    network = compression()
    assert not network(tokens, present, meaning)[1].equal(network(tokens, present, -meaning)[1])


def test_merging_changes_relevant_tokens_and_never_which_they_are():
    tokens, present, meaning = pictures()
    one, kept = compression(merge=True)(tokens, present, meaning)
    other, same = compression(merge=False)(tokens, present, meaning)
    assert kept.equal(same) and other.equal(tokens)
    assert one[~kept].equal(tokens[~kept])
    assert (one[kept] != tokens[kept]).any()


def test_tokens_have_a_gradient_and_the_choice_has_none():
    tokens, present, meaning = pictures()
    tokens.requires_grad_()
    network = compression()
    found, kept = network(tokens, present, meaning)
    found[kept].sum().backward()
    assert (
        tokens.grad is not None and (tokens.grad != 0).any(dim=2).all()
    )  # through merging those that are not kept too
    assert not any(parameter.requires_grad for parameter in network.parameters())
