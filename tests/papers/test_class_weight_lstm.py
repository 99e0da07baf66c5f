import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from merflow.nn.bank import LinearBank, LstmBank
from merflow.papers.class_weight_lstm import SYSTEMS, confidences, scaling, tensor_product
from merflow.params.class_weight_lstm import ClassWeightLstmSystemsParams
from merflow.systems import Batch
from merflow.training.batches import Examples

DIMS = {"acoustic": 74, "visual": 35, "language": 300}  # section III.B
UNIMODAL = ["acoustic", "visual", "language"]
FIRST, SECOND = [*UNIMODAL, "early_fusion"], ["late_fusion", "deep_fusion", "tensor_fusion"]
NETWORK = {
    "layers": 3,
    "units": 16,
    "dense": 32,
    "dropout": 0.0,
}  # 32: section IV.B; the width of the LSTM is not the paper's
NETWORKS = dict.fromkeys(FIRST, NETWORK) | {
    "late_fusion": {"dense": 32},
    "deep_fusion": {},
    "tensor_fusion": {},
}
LENGTHS = [1, 2, 9, 4]  # words


def build(name, **changed):
    torch.manual_seed(0)
    row = SYSTEMS[name]
    dims = {one: DIMS[one] for one in row.inputs} | dict.fromkeys(row.members, 33)
    return row.build(dims, 6, **(NETWORKS[name] | changed)).eval()


def examples(lengths=LENGTHS, seed=0):
    """Utterances of words; each emotion, where it is present, shifts every sixth feature."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (len(lengths), 6)).astype(np.float32)
    words = {
        name: [
            rng.normal(np.resize(2 * present - 1, dim), 1, (n, dim)).astype(np.float32)
            for n, present in zip(lengths, labels, strict=True)
        ]
        for name, dim in DIMS.items()
    }
    return Examples([f"u{i}" for i in range(len(lengths))], words, labels)


def handed_over(n=4, seed=0):
    """Batch of activations, not negative, and logits: whether an emotion is present shifts both."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (n, 6)).astype(np.float32)
    inputs = {}
    for name in UNIMODAL:
        values = rng.normal(2 * labels[..., None] - 1, 1, (n, 6, 33)).astype(np.float32)
        values[..., :32] = np.maximum(values[..., :32], 0)
        inputs[name] = torch.from_numpy(values)
    return Batch(
        inputs,
        {name: torch.full((n, 6), True) for name in UNIMODAL},
        torch.from_numpy(labels),
        torch.arange(n),
    )


def a_batch(name):
    return handed_over() if name in SECOND else examples().batch(np.arange(4))


def shapes(model, batch):
    """Outputs of the layers in the order they ran, of one emotion and utterance."""
    seen = []
    for layer in model.modules():
        if isinstance(layer, LinearBank | LstmBank):
            layer.register_forward_hook(
                lambda layer, _, output: seen.append((type(layer).__name__, output.shape[2]))
            )
    model(batch)
    return seen


# Systems


def test_the_systems_are_those_of_the_parameters():
    assert list(SYSTEMS) == list(ClassWeightLstmSystemsParams.model_fields)
    assert list(SYSTEMS) == [
        f"{name}{suffix}"
        for suffix in ("", "_unweighted")
        for name in [*UNIMODAL, "early_fusion", *SECOND]
    ]
    assert all(row.bank for row in SYSTEMS.values())
    for name, row in SYSTEMS.items():
        inputs = ClassWeightLstmSystemsParams.model_fields[name].annotation.model_fields.get(
            "inputs"
        )
        assert set(row.fitted) == (set(inputs.annotation.model_fields) if inputs else set())


def test_a_twin_differs_in_its_members_alone():
    for name in NETWORKS:
        row, twin = SYSTEMS[name], SYSTEMS[f"{name}_unweighted"]
        assert (twin.inputs, twin.build, twin.fitted, twin.hands_over) == (
            row.inputs,
            row.build,
            row.fitted,
            row.hands_over,
        )
        assert twin.members == tuple(f"{member}_unweighted" for member in row.members)


def test_the_second_stage_stands_on_networks_that_hand_over():
    for name, row in SYSTEMS.items():
        assert bool(row.members) == (name.removesuffix("_unweighted") in SECOND)
        assert bool(row.members) != bool(row.inputs)
        assert all(SYSTEMS[member].hands_over for member in row.members)
        assert not row.members or len(set(row.members)) == 3
    assert SYSTEMS["tensor_fusion"].members == ("language", "visual", "acoustic")  # z_l, z_v, z_a


# Shapes


@pytest.mark.parametrize(
    ("name", "dim"), [("acoustic", 74), ("visual", 35), ("language", 300), ("early_fusion", 409)]
)
def test_three_lstm_layers_a_dense_layer_of_32_and_a_logit(name, dim):
    model, batch = build(name), a_batch(name)
    assert model.lstm.weight_ih_l0.shape == (6, 4 * 16, dim)
    assert model.lstm.layers == 3
    assert shapes(model, batch) == [("LstmBank", 16), ("LinearBank", 32), ("LinearBank", 1)]
    assert model(batch).shape == (4, 6)


@pytest.mark.parametrize(
    ("name", "layers", "dim"),
    [("late_fusion", [32, 1], 96), ("deep_fusion", [1], 6), ("tensor_fusion", [1], 33**3)],
)
def test_fusions_have_the_sizes_of_their_figures(name, layers, dim):
    model, batch = build(name), a_batch(name)
    first = next(layer for layer in model.modules() if isinstance(layer, LinearBank))
    assert first.weight.shape[2] == dim
    assert shapes(model, batch) == [("LinearBank", out) for out in layers]
    assert model(batch).shape == (4, 6)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_has_the_emotions_as_first_dimension(name):
    assert {value.shape[0] for value in build(name).state_dict().values()} == {6}


@pytest.mark.parametrize("name", NETWORKS)
def test_an_emotion_depends_on_its_own_networks_alone(name):
    model, batch = build(name), a_batch(name)
    before = model(batch)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter[2] += 1
    same = (model(batch) == before).all(dim=0)
    assert same.tolist() == [True, True, False, True, True, True]
    if name in SECOND:
        model, changed = build(name), handed_over()
        for values in changed.inputs.values():
            values[:, 2] += 1
        assert (model(changed) == before).all(dim=0).tolist() == [
            True,
            True,
            False,
            True,
            True,
            True,
        ]


# First stage


@pytest.mark.parametrize("name", FIRST)
def test_padding_never_changes_a_logit(name):
    model, data = build(name), examples()
    with torch.no_grad():
        together = model(data.batch(np.arange(4)))
        separate = torch.cat(
            [model(data.batch(np.array([i]))) for i in range(4)]
        )  # the first has one word
    torch.testing.assert_close(together, separate, atol=1e-6, rtol=0)
    assert torch.unique(together, dim=0).shape == (4, 6)  # the utterances do differ


def test_what_is_handed_over_is_the_dense_layer_and_the_logit():
    model, batch = build("visual"), a_batch("visual")
    seen = {}
    model.dense.register_forward_hook(lambda _, inputs, output: seen.update(dense=output))
    handed = model.hidden(batch)
    assert handed.shape == (4, 6, 33)
    torch.testing.assert_close(handed[..., :32], seen["dense"].relu().transpose(0, 1))
    torch.testing.assert_close(handed[..., 32], model(batch))
    expected = (handed[..., :32] * model.output.weight[:, 0]).sum(dim=2) + model.output.bias[:, 0]
    torch.testing.assert_close(handed[..., 32], expected)


def test_early_fusion_concatenates_the_words():
    model, batch = build("early_fusion"), a_batch("early_fusion")
    seen = []
    model.lstm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(batch)
    assert seen[0].shape == (4, 9, 409)
    for name, part in zip(
        ("visual", "acoustic", "language"), seen[0].split([35, 74, 300], dim=2), strict=True
    ):
        assert torch.equal(part, batch.inputs[name])


def test_early_fusion_refuses_modalities_that_are_not_aligned():
    data = examples()
    data.inputs["acoustic"][3] = data.inputs["acoustic"][3][:-1]
    with pytest.raises(
        ValueError, match="but example 3 has 4 of visual, 3 of acoustic, 4 of language"
    ):
        build("early_fusion")(data.batch(np.array([2, 3])))
    assert build("acoustic")(data.batch(np.array([2, 3]))).shape == (2, 6)


def test_dropout_acts_after_each_lstm_layer():
    model, batch = build("visual", dropout=0.5), a_batch("visual")
    torch.testing.assert_close(model(batch), build("visual")(batch))  # not in evaluation
    seen = []
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.register_forward_hook(
                lambda _, inputs, output: seen.append((output == 0).float().mean().item())
            )
    model.train()(batch)
    assert len(seen) == 3
    assert all(0.3 < share < 0.7 for share in seen)


def test_scaling_is_fitted_on_the_train_part_or_left_out():
    rng = np.random.default_rng(0)
    train, test = (rng.normal(mean, 20, (50, 3)).astype(np.float32) for mean in (100, 300))
    train[:, 1] = 7  # as a feature that was never found
    fitted = scaling("standard").fit(train, np.zeros((50, 6)))
    scaled = fitted.transform(train)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axis=0), [1, 0, 1], atol=1e-4)
    np.testing.assert_allclose(
        fitted.transform(test)[:, 0],
        (test[:, 0] - train[:, 0].mean()) / train[:, 0].std(),
        rtol=1e-4,
    )
    np.testing.assert_array_equal(
        scaling("none").fit(train, np.zeros((50, 6))).transform(test), test
    )


# Second stage


def test_late_fusion_joins_the_activations_and_not_the_logits():
    model, batch = build("late_fusion"), a_batch("late_fusion")
    seen = []
    model.dense.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    logits = model(batch)
    assert seen[0].shape == (6, 4, 96)
    for name, part in zip(UNIMODAL, seen[0].split(32, dim=2), strict=True):
        assert torch.equal(part.transpose(0, 1), batch.inputs[name][..., :32])
    emotion, utterance = 4, 2
    dense = (
        model.dense.weight[emotion] @ seen[0][emotion, utterance] + model.dense.bias[emotion]
    ).relu()
    torch.testing.assert_close(
        logits[utterance, emotion],
        (model.output.weight[emotion] @ dense + model.output.bias[emotion])[0],
    )


def test_deep_fusion_takes_confidences_and_their_complements():
    logits = torch.tensor([0.9, 0.25, 0.5]).logit()
    torch.testing.assert_close(
        confidences(logits), torch.tensor([0.9, 0.25, 0.5, 0.1, 0.75, 0.5])
    )  # A, V, L, 1-A, 1-V, 1-L
    model, batch = build("deep_fusion"), a_batch("deep_fusion")
    with torch.no_grad():
        model.output.weight[:] = torch.tensor([1.0, 2, 3, 4, 5, 6])
        model.output.bias[:] = 10
    for name, value in zip(UNIMODAL, logits, strict=True):
        batch.inputs[name][..., 32] = value
    torch.testing.assert_close(
        model(batch),
        torch.full((4, 6), 0.9 + 2 * 0.25 + 3 * 0.5 + 4 * 0.1 + 5 * 0.75 + 6 * 0.5 + 10),
    )


def test_the_tensor_product_holds_each_modality_each_pair_and_all_three():
    z_l, z_v, z_a = torch.tensor([2.0, 3]), torch.tensor([5.0, 7]), torch.tensor([11.0])
    found = tensor_product([z_l, z_v, z_a])
    l_2 = [110, 10, 154, 14, 22, 2]  # 2 with 5 and 11, 5; 7 and 11, 7; 1 and 11, 1
    l_3 = [165, 15, 231, 21, 33, 3]
    l_1 = [55, 5, 77, 7, 11, 1]
    assert found.tolist() == l_2 + l_3 + l_1
    batched = torch.stack([z_l, z_v])[:, None], torch.stack([z_v, z_l])[:, None]  # (2, 1, 2) each
    assert torch.equal(tensor_product(batched)[1, 0], tensor_product([z_v, z_l]))


def test_tensor_fusion_is_one_layer_over_the_product_of_the_activations():
    model, batch = build("tensor_fusion"), a_batch("tensor_fusion")
    with_one = {
        name: torch.cat([values[..., :32], torch.ones(4, 6, 1)], dim=2)
        for name, values in batch.inputs.items()
    }
    weight = model.output.weight.view(6, 33, 33, 33)
    expected = torch.einsum(
        "bel,bev,bea,elva->be",
        with_one["language"],
        with_one["visual"],
        with_one["acoustic"],
        weight,
    )
    torch.testing.assert_close(
        model(batch), expected + model.output.bias[:, 0], atol=1e-5, rtol=1e-4
    )


# Learning


@pytest.mark.parametrize("name", NETWORKS)
def test_it_learns_and_every_weight_is_trained(name):
    model = build(name).train()
    batch = (
        handed_over(24) if name in SECOND else examples([1, 2, 3, 4, 5, 6] * 4).batch(np.arange(24))
    )
    optimizer = torch.optim.Adam(
        model.parameters(), lr={"deep_fusion": 0.1, "tensor_fusion": 1e-3}.get(name, 0.01)
    )
    losses = []
    for _ in range(30):
        loss = binary_cross_entropy_with_logits(model(batch), batch.labels, reduction="none").mean(
            dim=0
        )
        optimizer.zero_grad()
        loss.sum().backward()
        for path, parameter in model.named_parameters():
            assert parameter.grad.flatten(1).any(dim=1).all(), path
        optimizer.step()
        losses.append(loss.detach())
    assert (losses[-1] < 0.6 * losses[0]).all()
