from itertools import pairwise

import numpy as np
import torch

from merflow.training.batches import Examples, batches, ordered, shuffled

LENGTHS = np.random.default_rng(0).integers(2, 60, size=2000)


def examples_of(lengths):
    return Examples(
        [str(i) for i in range(len(lengths))],
        {"x": [np.ones(n) for n in lengths]},
        np.zeros(len(lengths), int),
    )


def padded(positions):
    return sum(LENGTHS[index].max() * len(index) for index in positions) / LENGTHS.sum()


ALL = examples_of(LENGTHS)


def test_shuffled_has_each_example_once_and_no_small_batch():
    positions = shuffled(examples_of(LENGTHS[:1003]), 16, (1, 1))
    assert sorted(np.concatenate(positions)) == list(range(1003))
    assert {len(index) for index in positions} == {15, 16}
    assert len(positions) == 63
    assert [len(index) for index in shuffled(examples_of(LENGTHS[:17]), 16, (1, 1))] in (
        [8, 9],
        [9, 8],
    )


def test_shuffled_differs_between_epochs_and_repeats_for_a_seed():
    a, again, b = (np.concatenate(shuffled(ALL, 16, seed)) for seed in ((1, 1), (1, 1), (1, 2)))
    assert (a == again).all()
    assert (a == b).mean() < 0.05
    partners = [
        {frozenset(pair) for index in shuffled(ALL, 16, (1, e)) for pair in pairwise(index)}
        for e in (1, 2)
    ]
    assert len(partners[0] & partners[1]) < 0.05 * len(
        partners[0]
    )  # not the same company every epoch


def test_batches_of_like_length_save_most_of_the_padding():
    at_random = np.array_split(np.random.default_rng(1).permutation(2000), 125)
    assert padded(at_random) > 1.7
    assert padded(shuffled(ALL, 16, (1, 1))) < 1.1
    assert padded(ordered(ALL, 64)) < 1.05
    assert sorted(np.concatenate(ordered(ALL, 64))) == list(range(2000))


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
    examples = examples_of(LENGTHS[:50])
    positions = shuffled(examples, 8, (1, 1))
    shares = [list(batches(examples, positions, part, 3)) for part in range(3)]
    for index, *mine in zip(positions, *shares, strict=True):
        assert sorted(torch.cat([batch.index for batch in mine]).tolist()) == sorted(index)


def dialogues_of(sizes):
    """Dialogues of these sizes, dealt out over the examples so that none stands together."""
    order = np.random.default_rng(3).permutation(sum(sizes))
    return Examples(ALL.ids, ALL.inputs, ALL.labels, np.split(order, np.cumsum(sizes)[:-1]))


def test_batches_of_dialogues_hold_each_dialogue_whole_and_about_as_many_utterances_as_asked():
    sizes = np.random.default_rng(2).integers(1, 25, 160)
    sizes = np.append(sizes[sizes.cumsum() < 1900], 50)  # and one that is longer than a batch
    sizes = np.append(sizes, 2000 - sizes.sum())
    examples = dialogues_of(sizes)
    assert (examples.sizes == sizes).all() and len(examples) == 2000
    for units in (shuffled(examples, 32, (1, 1)), ordered(examples, 32)):
        assert sorted(np.concatenate(units)) == list(range(len(sizes)))
        assert (
            max(examples.sizes[one[:-1]].sum() for one in units) <= 32
            and np.mean([examples.sizes[one].sum() for one in units]) > 25
        )
    found = list(batches(examples, shuffled(examples, 32, (1, 1))))
    assert sorted(torch.cat([batch.index for batch in found]).tolist()) == list(range(2000))
    whole = {tuple(one) for one in examples.dialogues}
    for batch in found:
        rows = [row[row >= 0] for row in batch.dialogues]
        assert {
            tuple(batch.index[row].tolist()) for row in rows
        } <= whole  # every one, in the order of turns
        assert torch.cat(rows).sort().values.tolist() == list(range(len(batch)))
        assert all(
            (row[len(kept) :] == -1).all() for row, kept in zip(batch.dialogues, rows, strict=True)
        )


def test_a_batch_of_single_examples_names_no_dialogue():
    assert ALL.batch(np.array([3, 1])).dialogues is None
    assert ALL.sizes.sum() == 2000
