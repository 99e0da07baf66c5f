from itertools import pairwise

import numpy as np
import torch

from merflow.training.batches import Examples, batches, ordered, shuffled

LENGTHS = np.random.default_rng(0).integers(2, 60, size=2000)


def examples_of(lengths):
    ids = [str(i) for i in range(len(lengths))]
    return Examples(ids, {"x": [np.ones(n) for n in lengths]}, np.zeros(len(lengths), int))


def padding(positions):
    """Frames after padding, as a multiple of the frames before."""
    return sum(LENGTHS[index].max() * len(index) for index in positions) / LENGTHS.sum()


ALL = examples_of(LENGTHS)


def test_shuffled_has_each_example_once_and_no_small_batch():
    positions = shuffled(examples_of(LENGTHS[:1003]), 16, (1, 1))
    assert sorted(np.concatenate(positions)) == list(range(1003))
    assert {len(index) for index in positions} == {15, 16}
    assert len(positions) == 63
    sizes = {len(index) for index in shuffled(examples_of(LENGTHS[:17]), 16, (1, 1))}
    assert sizes == {8, 9}


def test_batches_differ_between_epochs_and_repeat_for_a_seed():
    a, again, b = (np.concatenate(shuffled(ALL, 16, seed)) for seed in ((1, 1), (1, 1), (1, 2)))
    assert (a == again).all()
    assert (a == b).mean() < 0.05
    neighbours = [
        {frozenset(pair) for index in shuffled(ALL, 16, (1, epoch)) for pair in pairwise(index)}
        for epoch in (1, 2)
    ]
    in_both = neighbours[0] & neighbours[1]
    assert len(in_both) < 0.05 * len(neighbours[0])


def test_batches_of_like_length_save_most_of_the_padding():
    at_random = np.array_split(np.random.default_rng(1).permutation(2000), 125)
    assert padding(at_random) > 1.7
    assert padding(shuffled(ALL, 16, (1, 1))) < 1.1
    assert padding(ordered(ALL, 64)) < 1.05
    assert sorted(np.concatenate(ordered(ALL, 64))) == list(range(2000))


def test_a_batch_is_padded_with_zeros_under_a_mask():
    tokens = [np.array([5, 6, 7]), np.array([8])]
    mel = [np.ones((2, 4), "float32"), np.ones((3, 4), "float32")]
    examples = Examples(["a", "b"], {"tokens": tokens, "mel": mel}, np.array([3, 1]))
    assert examples.lengths.tolist() == [5, 4]
    batch = examples.batch(np.array([1, 0]))
    assert batch.inputs["tokens"].tolist() == [[8, 0, 0], [5, 6, 7]]
    assert batch.masks["tokens"].tolist() == [[True, False, False], [True, True, True]]
    assert batch.inputs["mel"].shape == (2, 3, 4)
    assert batch.masks["mel"].sum(dim=1).tolist() == [3, 2]
    assert batch.labels.tolist() == [1, 3]
    assert batch.index.tolist() == [1, 0]


def test_processes_share_a_batch():
    examples = examples_of(LENGTHS[:50])
    positions = shuffled(examples, 8, (1, 1))
    shares = [list(batches(examples, positions, process, 3)) for process in range(3)]
    for index, *of_processes in zip(positions, *shares, strict=True):
        shared = torch.cat([batch.index for batch in of_processes])
        assert sorted(shared.tolist()) == sorted(index)


def dialogues_of(sizes):
    """Dialogues of these sizes whose examples are scattered over all positions."""
    order = np.random.default_rng(3).permutation(sum(sizes))
    return Examples(ALL.ids, ALL.inputs, ALL.labels, np.split(order, np.cumsum(sizes)[:-1]))


def scattered_dialogues():
    """Dialogues of 2,000 examples; one is longer than a batch."""
    sizes = np.random.default_rng(2).integers(1, 25, 160)
    sizes = np.append(sizes[sizes.cumsum() < 1900], 50)
    sizes = np.append(sizes, 2000 - sizes.sum())
    examples = dialogues_of(sizes)
    assert (examples.sizes == sizes).all() and len(examples) == 2000
    return examples


def test_batches_of_dialogues_are_about_as_large_as_asked():
    examples = scattered_dialogues()
    for positions in (shuffled(examples, 32, (1, 1)), ordered(examples, 32)):
        assert sorted(np.concatenate(positions)) == list(range(len(examples.dialogues)))
        assert max(examples.sizes[units[:-1]].sum() for units in positions) <= 32
        assert np.mean([examples.sizes[units].sum() for units in positions]) > 25


def test_batches_hold_whole_dialogues_in_the_order_of_turns():
    examples = scattered_dialogues()
    padded = list(batches(examples, shuffled(examples, 32, (1, 1))))
    assert sorted(torch.cat([batch.index for batch in padded]).tolist()) == list(range(2000))
    dialogues = {tuple(positions) for positions in examples.dialogues}
    for batch in padded:
        rows = [row[row >= 0] for row in batch.dialogues]
        assert {tuple(batch.index[row].tolist()) for row in rows} <= dialogues
        assert torch.cat(rows).sort().values.tolist() == list(range(len(batch)))
        for row, content in zip(batch.dialogues, rows, strict=True):
            assert (row[len(content) :] == -1).all()


def test_a_batch_of_single_examples_names_no_dialogue():
    assert ALL.batch(np.array([3, 1])).dialogues is None
    assert ALL.sizes.sum() == 2000
