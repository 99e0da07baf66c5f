"""SwinV2 that sheds tokens inside a stage: which are kept, in which order, and on which grids."""

import pytest
import torch
from transformers import Swinv2Config, Swinv2Model

from merflow.nn.shedding import SheddingSwin, most_similar

SIZE = 64  # 16 x 16 patches, 8 x 8 tokens in the second stage


def shedding(grids=(6, 4), depths=(1, 4), shed_in=2):
    torch.manual_seed(0)
    config = Swinv2Config(
        image_size=SIZE,
        embed_dim=8,
        depths=list(depths),
        num_heads=[2] * len(depths),
        window_size=4,
    )
    return SheddingSwin(config, shed_in, grids, meaning_dim=3, guide_units=5).eval()


def test_the_most_similar_tokens_are_kept_in_order():
    tokens = torch.tensor([[[0.0, 1.0], [2.0, 2.0], [5.0, 0.0], [-1.0, 0.0]]])
    kept = most_similar(tokens, torch.tensor([[1.0, 0.1]]), 3)
    assert kept.tolist() == [[[5.0, 0.0], [2.0, 2.0], [0.0, 1.0]]]


@torch.inference_mode()
def test_blocks_have_the_grid_that_is_left():
    network = shedding()
    seen = []
    for stage in network.swin.encoder.layers:
        for block in stage.blocks:
            block.register_forward_hook(
                lambda block, args, _out: seen.append((*args[1], block.window_size))
            )
    vectors, counts = network(torch.randn(2, 3, SIZE, SIZE), torch.randn(2, 3))
    assert seen == [(16, 16, 4), (8, 8, 4), (6, 6, 3), (6, 6, 3), (4, 4, 2)]
    assert vectors.shape == (2, 16) and counts.tolist() == [[64], [64]]


@torch.inference_mode()
def test_stages_after_the_shedding_one_merge_what_is_left():
    network = shedding(grids=(4,), depths=(2, 1), shed_in=1)
    _, counts = network(torch.randn(2, 3, SIZE, SIZE), torch.randn(2, 3))
    assert counts.tolist() == [[4]] * 2
    assert network.swin.encoder.layers[1].blocks[0].window_size == 2


@torch.inference_mode()
def test_without_shedding_it_is_swinv2():
    network = shedding(grids=(), depths=(1, 2))
    pixels = torch.randn(2, 3, SIZE, SIZE)
    expected = Swinv2Model(network.swin.config, add_pooling_layer=False).eval()
    expected.load_state_dict(network.swin.state_dict())
    vectors, _ = network(pixels, torch.randn(2, 3))
    torch.testing.assert_close(vectors, expected(pixels).last_hidden_state.mean(dim=1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shed_in": 3}, "tokens cannot be shed in stage 3 of 2"),
        ({"depths": (1, 2)}, "stage 2 has 2 blocks, too few for 2 grids"),
        ({"grids": (6, 6)}, "grids of sides 8, 6, 6: each must be even and smaller"),
        ({"grids": (5,)}, "grids of sides 8, 5: each must be even and smaller"),
    ],
)
def test_grids_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        shedding(**changes)
