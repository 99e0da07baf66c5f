import copy
import math

import pytest
import torch
from transformers import SwinConfig, SwinModel

from merflow.nn.compression import Compression
from merflow.nn.swin import CompressedSwin, fold, smallest_grid

SIZE, WINDOW = 64, 4


@pytest.fixture(scope="module")
def plain():
    torch.manual_seed(0)
    config = {
        "image_size": SIZE,
        "patch_size": 4,
        "embed_dim": 8,
        "depths": [2, 2, 2],
        "num_heads": [2, 2, 2],
        "window_size": WINDOW,
    }
    return SwinModel(SwinConfig(**config, drop_path_rate=0.0, initializer_range=0.2)).eval()


@pytest.fixture(scope="module")
def pictures():
    torch.manual_seed(1)
    return torch.randn(5, 3, SIZE, SIZE), torch.randn(5, 7)


def compressed(plain, stages=(1, 2), **changes):
    torch.manual_seed(2)
    settings = {
        "selection": "threshold",
        "gamma": 1.0,
        "keep": 0.6,
        "merge": True,
        "alpha": 0.9,
        "tau": 1.0,
    } | changes
    return CompressedSwin(
        copy.deepcopy(plain), {stage: Compression(8 * 2**stage, 7, **settings) for stage in stages}
    ).eval()


@torch.inference_mode()
@pytest.mark.parametrize(("stages", "gamma"), [((), 1.0), ((1, 2), -math.inf)])
def test_swin_that_keeps_every_token_is_plain_swin(plain, pictures, stages, gamma):
    pixels, meaning = pictures
    vectors, kept = compressed(plain, stages, gamma=gamma)(pixels, meaning)
    torch.testing.assert_close(vectors, plain(pixels).pooler_output)
    assert kept.tolist() == [[64, 16]] * 5


@torch.inference_mode()
@pytest.mark.parametrize("changes", [{}, {"merge": False}, {"selection": "top_k"}])
def test_a_picture_is_the_same_whatever_is_computed_with_it(plain, pictures, changes):
    pixels, meaning = pictures
    network = compressed(plain, **changes)
    vectors, kept = network(pixels, meaning)
    assert (kept[:, 0] < 64).all()
    for one in range(len(pixels)):
        alone, count = network(pixels[one : one + 1], meaning[one : one + 1])
        torch.testing.assert_close(alone[0], vectors[one])
        assert count[0].equal(kept[one])
    assert len(set(kept[:, 0].tolist())) == (1 if changes.get("selection") else 4)


@torch.inference_mode()
def test_an_order_of_batches_changes_nothing(plain, pictures):
    """Swin's blocks change when they meet a small grid: ours are set anew for each."""
    pixels, meaning = pictures
    network = compressed(plain, gamma=0.5)
    before, _ = network(pixels, meaning)
    network.compressions["1"].gamma = 3.0
    network(pixels, meaning)
    network.compressions["1"].gamma = 0.5
    assert network(pixels, meaning)[0].equal(before)


@torch.inference_mode()
def test_what_is_not_kept_is_not_seen(plain, pictures, monkeypatch):
    """Without merging, tokens that are left out may hold anything: windows, patch merging and pooling do not see them."""
    pixels, meaning = pictures
    network = compressed(plain, (1,), merge=False)
    compress = network.compressions["1"].forward
    before, kept = network(pixels, meaning)

    def spoiled(tokens, present, meaning):
        tokens, relevant = compress(tokens, present, meaning)
        return torch.where(relevant[..., None], tokens, 1e4), relevant

    monkeypatch.setattr(network.compressions["1"], "forward", spoiled)
    after, same = network(pixels, meaning)
    assert same.equal(kept) and after.equal(before)


def test_the_network_learns_through_what_is_left(plain, pictures):
    pixels, meaning = pictures
    network = compressed(plain).train()
    network(pixels, meaning)[0].square().sum().backward()
    without = [
        name
        for name, parameter in network.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
    assert not without


def test_the_smallest_grid_holds_the_tokens_in_whole_windows():
    assert [smallest_grid(count, 7) for count in (1, 49, 50, 98, 100, 147, 148, 196)] == [
        (7, 7),
        (7, 7),
        (7, 14),
        (7, 14),
        (7, 21),
        (7, 21),
        (14, 14),
        (14, 14),
    ]
    assert smallest_grid(784, 7) == (28, 28)
    assert smallest_grid(6 * 49, 7) == (14, 21)


def test_folding_keeps_the_order_and_fills_up_with_nothing():
    tokens = torch.tensor([[[1.0], [2.0], [3.0], [4.0]], [[5.0], [6.0], [7.0], [8.0]]])
    present = torch.tensor([[False, True, False, True], [True, True, True, False]])
    folded, there = fold(tokens, present, 3)
    assert folded[..., 0].tolist() == [[2, 4, 0], [5, 6, 7]]
    assert there.tolist() == [[True, True, False], [True] * 3]
    folded, there = fold(tokens, present, 6)
    assert folded[..., 0].tolist() == [[2, 4, 0, 0, 0, 0], [5, 6, 7, 0, 0, 0]]
    assert there.sum(dim=1).tolist() == [2, 3]


def test_a_compression_after_a_stage_that_is_not_there_or_the_last_is_refused(plain):
    for stage in (0, 3):
        with pytest.raises(
            ValueError,
            match=f"no compression can follow stage {stage} of 3: name stages from 1 to 2",
        ):
            compressed(plain, (stage,))
