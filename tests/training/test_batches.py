from itertools import pairwise

import numpy as np
import torch

from merflow.training.batches import Examples, batches, ordered, shuffled

LENGTHS = np.random.default_rng(0).integers(2, 60, size=2000)


def padded(positions):
    return sum(LENGTHS[index].max() * len(index) for index in positions) / LENGTHS.sum()


def test_shuffled_has_each_example_once_and_no_small_batch():
    positions = shuffled(LENGTHS[:1003], 16, (1, 1))
    assert sorted(np.concatenate(positions)) == list(range(1003))
    assert {len(index) for index in positions} == {15, 16}
    assert len(positions) == 63
    assert [len(index) for index in shuffled(LENGTHS[:17], 16, (1, 1))] in ([8, 9], [9, 8])


def test_shuffled_differs_between_epochs_and_repeats_for_a_seed():
    a, again, b = (np.concatenate(shuffled(LENGTHS, 16, seed)) for seed in ((1, 1), (1, 1), (1, 2)))
    assert (a == again).all()
    assert (a == b).mean() < 0.05
    partners = [{frozenset(pair) for index in shuffled(LENGTHS, 16, (1, e)) for pair in pairwise(index)} for e in (1, 2)]
    assert len(partners[0] & partners[1]) < 0.05 * len(partners[0])  # not the same company every epoch


def test_batches_of_like_length_save_most_of_the_padding():
    at_random = np.array_split(np.random.default_rng(1).permutation(2000), 125)
    assert padded(at_random) > 1.7
    assert padded(shuffled(LENGTHS, 16, (1, 1))) < 1.1
    assert padded(ordered(LENGTHS, 64)) < 1.05
    assert sorted(np.concatenate(ordered(LENGTHS, 64))) == list(range(2000))


def test_batch_is_padded_with_zeros_under_a_mask():
    arrays = [np.array([5, 6, 7]), np.array([8])]
    frames = [np.ones((2, 4), "float32"), np.ones((3, 4), "float32")]
    examples = Examples(["a", "b"], {"tokens": arrays, "mel": frames}, np.array([3, 1]))
    assert examples.lengths.tolist() == [5, 4]
    batch = examples.batch(np.array([1, 0]))
    assert batch.inputs["tokens"].tolist() == [[8, 0, 0], [5, 6, 7]]
    assert batch.masks["tokens"].tolist() == [[True, False, False], [True, True, True]]
    assert batch.inputs["mel"].shape == (2, 3, 4)
    assert batch.masks["mel"].sum(dim=1).tolist() == [3, 2]
    assert batch.labels.tolist() == [1, 3]
    assert batch.index.tolist() == [1, 0]


def test_processes_share_a_batch():
    examples = Examples([str(i) for i in range(50)], {"x": [np.ones(n) for n in LENGTHS[:50]]}, np.zeros(50, int))
    positions = shuffled(examples.lengths, 8, (1, 1))
    shares = [list(batches(examples, positions, part, 3)) for part in range(3)]
    for index, *mine in zip(positions, *shares, strict=True):
        assert sorted(torch.cat([batch.index for batch in mine]).tolist()) == sorted(index)
