"""A compressed Swin is plain Swin if it keeps every token, and sees kept tokens only."""

import copy
import math

import pytest
import torch
from transformers import SwinConfig, SwinModel

from merflow.nn.compression import Compression
from merflow.nn.swin import CompressedSwin, fold, smallest_grid

SIZE, WINDOW = 64, 4
PARAMS = {
    "selection": "threshold",
    "gamma": 1.0,
    "keep": 0.6,
    "merge": True,
    "alpha": 0.9,
    "tau": 1.0,
    "guide": "learned",
    "guide_scale": 2.0,
}


@pytest.fixture(scope="module")
def plain():
    torch.manual_seed(0)
    config = SwinConfig(
        image_size=SIZE,
        patch_size=4,
        embed_dim=8,
        depths=[2, 2, 2],
        num_heads=[2, 2, 2],
        window_size=WINDOW,
        drop_path_rate=0.0,
        initializer_range=0.2,
    )
    return SwinModel(config).eval()


@pytest.fixture(scope="module")
def frames():
    """Pixels of five frames, and vectors of text and audio."""
    torch.manual_seed(1)
    return torch.randn(5, 3, SIZE, SIZE), torch.randn(5, 7)


def compress(plain, stages=(1, 2), **changes):
    torch.manual_seed(2)
    compressions = {stage: Compression(8 * 2**stage, 7, **PARAMS | changes) for stage in stages}
    return CompressedSwin(copy.deepcopy(plain), compressions).eval()


@torch.inference_mode()
@pytest.mark.parametrize(("stages", "gamma"), [((), 1.0), ((1, 2), -math.inf)])
def test_keeping_every_token_is_plain_swin(plain, frames, stages, gamma):
    pixels, meaning = frames
    vectors, counts = compress(plain, stages, gamma=gamma)(pixels, meaning)
    torch.testing.assert_close(vectors, plain(pixels).pooler_output)
    assert counts.tolist() == [[64, 16]] * 5


@torch.inference_mode()
@pytest.mark.parametrize("changes", [{}, {"merge": False}, {"selection": "top_k"}])
def test_a_vector_does_not_depend_on_other_frames(plain, frames, changes):
    pixels, meaning = frames
    network = compress(plain, **changes)
    vectors, counts = network(pixels, meaning)
    assert (counts[:, 0] < 64).all()
    for number in range(len(pixels)):
        row = slice(number, number + 1)
        alone, alone_counts = network(pixels[row], meaning[row])
        torch.testing.assert_close(alone, vectors[row])
        assert alone_counts.equal(counts[row])
    n_grids = 1 if changes.get("selection") else 4
    assert len(set(counts[:, 0].tolist())) == n_grids


@torch.inference_mode()
def test_a_vector_does_not_depend_on_earlier_batches(plain, frames):
    """Swin's blocks change when they meet a small grid; ours are reset for each grid."""
    network = compress(plain, gamma=0.5)
    before, _ = network(*frames)
    network.compressions["1"].gamma = 3.0
    network(*frames)
    network.compressions["1"].gamma = 0.5
    assert network(*frames)[0].equal(before)


@torch.inference_mode()
def test_tokens_that_are_not_kept_are_not_seen(plain, frames, monkeypatch):
    """Without merging, windows, patch merging and pooling do not read dropped tokens."""
    network = compress(plain, (1,), merge=False)
    original = network.compressions["1"].forward
    before, counts = network(*frames)

    def spoil(tokens, present, meaning):
        tokens, relevant = original(tokens, present, meaning)
        return torch.where(relevant[..., None] > 0, tokens, 1e4), relevant

    monkeypatch.setattr(network.compressions["1"], "forward", spoil)
    after, after_counts = network(*frames)
    assert after_counts.equal(counts)
    assert after.equal(before)


@pytest.mark.parametrize("gamma", [1.0, -math.inf])  # inf: every frame keeps a full grid
def test_every_parameter_has_a_gradient(plain, frames, gamma):
    network = compress(plain, gamma=gamma).train()
    network(*frames)[0][:, 0].sum().backward()
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    assert all(parameter.grad is not None for parameter in trained)
    guides = [compression.guide for compression in network.compressions.values()]
    assert all(parameter.grad.any() for guide in guides for parameter in guide.parameters())


@pytest.mark.parametrize(
    ("count", "grid"),
    [
        (1, (7, 7)),
        (49, (7, 7)),
        (50, (7, 14)),
        (98, (7, 14)),
        (100, (7, 21)),
        (147, (7, 21)),
        (148, (14, 14)),
        (196, (14, 14)),
        (6 * 49, (14, 21)),
        (784, (28, 28)),
    ],
)
def test_the_smallest_grid_holds_whole_windows(count, grid):
    assert smallest_grid(count, 7) == grid


@pytest.mark.parametrize(
    ("places", "expected", "n_present"),
    [
        (3, [[2, 4, 0], [5, 6, 7]], [2, 3]),
        (6, [[2, 4, 0, 0, 0, 0], [5, 6, 7, 0, 0, 0]], [2, 3]),
    ],
)
def test_folding_keeps_the_order_and_fills_with_zeros(places, expected, n_present):
    tokens = torch.arange(1.0, 9.0).reshape(2, 4, 1)
    present = torch.tensor([[0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 1.0, 0.0]])
    folded, folded_present = fold(tokens, present, places)
    assert folded[..., 0].tolist() == expected
    is_token = torch.arange(places) < torch.tensor(n_present)[:, None]
    assert folded_present.equal(is_token.float())


@pytest.mark.parametrize("stage", [0, 3])
def test_a_compression_after_the_last_or_no_stage_is_refused(plain, stage):
    message = f"no compression can follow stage {stage} of 3: name stages from 1 to 2"
    with pytest.raises(ValueError, match=message):
        compress(plain, (stage,))
