from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from merflow.nn.bank import LinearBank, LstmBank
from merflow.papers.class_weight_lstm import SYSTEMS, confidences, scaling, tensor_product
from merflow.params.class_weight_lstm import ClassWeightLstmSystemsParams
from merflow.systems import Batch, System
from merflow.training.batches import Examples

DIMS = {"acoustic": 74, "visual": 35, "language": 300}  # section III.B
UNIMODAL = ["acoustic", "visual", "language"]
FIRST, FUSIONS = [*UNIMODAL, "early_fusion"], ["late_fusion", "deep_fusion", "tensor_fusion"]
VARIANT = "deep_fusion_one_layer"
SECOND = [*FUSIONS, VARIANT]
# dense: section IV.B; units: the paper gives no width of the LSTM
NETWORK = {"layers": 3, "units": 16, "dense": 32, "dropout": 0.0}
NETWORKS = dict.fromkeys(FIRST, NETWORK) | {
    "late_fusion": {"dense": 32},
    "deep_fusion": {"dense": 32},
    "tensor_fusion": {},
    VARIANT: {},
}
LENGTHS = [1, 2, 9, 4]  # words


def build(name, **changed):
    torch.manual_seed(0)
    system = SYSTEMS[name]
    dims = {key: DIMS[key] for key in system.inputs} | dict.fromkeys(system.members, 33)
    return system.build(dims, 6, **(NETWORKS[name] | changed)).eval()


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


def activations(n=4, seed=0):
    """Batch of rectified activations and logits; the presence of an emotion shifts both."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (n, 6)).astype(np.float32)
    inputs = {}
    for name in UNIMODAL:
        values = rng.normal(2 * labels[..., None] - 1, 1, (n, 6, 33)).astype(np.float32)
        values[..., :32] = np.maximum(values[..., :32], 0)
        inputs[name] = torch.from_numpy(values)
    masks = {name: torch.full((n, 6), True) for name in UNIMODAL}
    return Batch(inputs, masks, torch.from_numpy(labels), torch.arange(n))


def a_batch(name):
    return activations() if name in SECOND else examples().batch(np.arange(4))


def shapes(model, batch):
    """Kind and width of the layers of a network, in the order they ran."""
    widths = []

    def note(layer, _, output):
        widths.append((type(layer).__name__, output.shape[2]))

    for layer in model.modules():
        if isinstance(layer, LinearBank | LstmBank):
            layer.register_forward_hook(note)
    model(batch)
    return widths


def given_to(layer):
    """List that gets the first argument of every call of a layer."""
    arguments = []
    layer.register_forward_pre_hook(lambda _, inputs: arguments.append(inputs[0]))
    return arguments


# Systems


def test_systems_are_the_systems_of_the_parameters():
    assert list(SYSTEMS) == list(ClassWeightLstmSystemsParams.model_fields)
    printed = [*FIRST, *FUSIONS]
    unweighted = [f"{name}_unweighted" for name in printed]
    networks = {name: system for name, system in SYSTEMS.items() if isinstance(system, System)}
    assert list(networks) == [*printed, VARIANT, *unweighted]
    assert all(system.bank for system in networks.values())
    for name, system in networks.items():
        inputs = ClassWeightLstmSystemsParams.model_fields[name].annotation.model_fields.get(
            "inputs"
        )
        expected = set(inputs.annotation.model_fields) if inputs else set()
        assert set(system.transformers) == expected


def test_a_twin_differs_in_its_members_alone():
    for name in [*FIRST, *FUSIONS]:
        system, twin = SYSTEMS[name], SYSTEMS[f"{name}_unweighted"]
        members = tuple(f"{member}_unweighted" for member in system.members)
        assert twin == replace(system, members=members)


def test_members_of_the_second_stage_export_activations():
    for name, system in SYSTEMS.items():
        assert bool(system.members) == (name.removesuffix("_unweighted") in SECOND)
        assert bool(system.members) != bool(system.inputs)
        assert all(SYSTEMS[member].exports_hidden for member in system.members)
        assert not system.members or len(set(system.members)) == 3
    assert SYSTEMS["tensor_fusion"].members == ("language", "visual", "acoustic")  # z_l, z_v, z_a


# Shapes


@pytest.mark.parametrize(
    ("name", "dim"), [("acoustic", 74), ("visual", 35), ("language", 300), ("early_fusion", 409)]
)
def test_a_unimodal_network_has_the_sizes_of_figure_2(name, dim):
    model, batch = build(name), a_batch(name)
    assert model.lstm.weight_ih_l0.shape == (6, 4 * 16, dim)
    assert model.lstm.layers == 3
    assert shapes(model, batch) == [("LstmBank", 16), ("LinearBank", 32), ("LinearBank", 1)]
    assert model(batch).shape == (4, 6)


@pytest.mark.parametrize(
    ("name", "layers", "dim"),
    [
        ("late_fusion", [32, 1], 96),
        ("deep_fusion", [32, 1], 6),
        ("tensor_fusion", [1], 33**3),
        (VARIANT, [1], 6),
    ],
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
        model, changed = build(name), activations()
        for values in changed.inputs.values():
            values[:, 2] += 1
        same = (model(changed) == before).all(dim=0)
        assert same.tolist() == [True, True, False, True, True, True]


# First stage


@pytest.mark.parametrize("name", FIRST)
def test_padding_never_changes_a_logit(name):
    model, data = build(name), examples()
    with torch.no_grad():
        together = model(data.batch(np.arange(4)))
        alone = torch.cat([model(data.batch(np.array([i]))) for i in range(4)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
    assert torch.unique(together, dim=0).shape == (4, 6)  # the utterances do differ


def test_hidden_activations_are_the_dense_layer_and_the_logit():
    model, batch = build("visual"), a_batch("visual")
    dense = []
    model.dense.register_forward_hook(lambda _, inputs, output: dense.append(output))
    hidden = model.hidden(batch)
    assert hidden.shape == (4, 6, 33)
    torch.testing.assert_close(hidden[..., :32], dense[0].relu().transpose(0, 1))
    torch.testing.assert_close(hidden[..., 32], model(batch))
    expected = (hidden[..., :32] * model.output.weight[:, 0]).sum(dim=2) + model.output.bias[:, 0]
    torch.testing.assert_close(hidden[..., 32], expected)


def test_early_fusion_concatenates_the_words():
    model, batch = build("early_fusion"), a_batch("early_fusion")
    given = given_to(model.lstm)
    model(batch)
    (words,) = given
    assert words.shape == (4, 9, 409)
    modalities = words.split([35, 74, 300], dim=2)
    for name, values in zip(("visual", "acoustic", "language"), modalities, strict=True):
        assert torch.equal(values, batch.inputs[name])


def test_early_fusion_refuses_modalities_that_are_not_aligned():
    data = examples()
    data.inputs["acoustic"][3] = data.inputs["acoustic"][3][:-1]
    message = "but example 3 has 4 of visual, 3 of acoustic, 4 of language"
    with pytest.raises(ValueError, match=message):
        build("early_fusion")(data.batch(np.array([2, 3])))
    assert build("acoustic")(data.batch(np.array([2, 3]))).shape == (2, 6)


def test_dropout_acts_after_each_lstm_layer():
    model, batch = build("visual", dropout=0.5), a_batch("visual")
    torch.testing.assert_close(model(batch), build("visual")(batch))  # not in evaluation
    shares = []

    def note(_, inputs, output):
        shares.append((output == 0).float().mean().item())

    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.register_forward_hook(note)
    model.train()(batch)
    assert len(shares) == 3
    assert all(0.3 < share < 0.7 for share in shares)


def test_scaling_is_fitted_on_the_train_split_or_left_out():
    rng = np.random.default_rng(0)
    train, test = (rng.normal(mean, 20, (50, 3)).astype(np.float32) for mean in (100, 300))
    train[:, 1] = 7  # a feature that was never detected is constant
    fitted = scaling("standard").fit(train, np.zeros((50, 6)))
    scaled = fitted.transform(train)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axis=0), [1, 0, 1], atol=1e-4)
    expected = (test[:, 0] - train[:, 0].mean()) / train[:, 0].std()
    np.testing.assert_allclose(fitted.transform(test)[:, 0], expected, rtol=1e-4)
    unscaled = scaling("none").fit(train, np.zeros((50, 6))).transform(test)
    np.testing.assert_array_equal(unscaled, test)


# Second stage


def test_late_fusion_joins_the_activations_and_not_the_logits():
    model, batch = build("late_fusion"), a_batch("late_fusion")
    given = given_to(model.dense)
    logits = model(batch)
    (joined,) = given
    assert joined.shape == (6, 4, 96)
    for name, values in zip(UNIMODAL, joined.split(32, dim=2), strict=True):
        assert torch.equal(values.transpose(0, 1), batch.inputs[name][..., :32])
    emotion, utterance = 4, 2
    weight, bias = model.dense.weight[emotion], model.dense.bias[emotion]
    dense = (weight @ joined[emotion, utterance] + bias).relu()
    expected = model.output.weight[emotion] @ dense + model.output.bias[emotion]
    torch.testing.assert_close(logits[utterance, emotion], expected[0])


def test_deep_fusion_takes_confidences_and_their_complements():
    logits = torch.tensor([0.9, 0.25, 0.5]).logit()
    expected = torch.tensor([0.9, 0.25, 0.5, 0.1, 0.75, 0.5])  # A, V, L, 1-A, 1-V, 1-L
    torch.testing.assert_close(confidences(logits), expected)
    model, batch = build(VARIANT), a_batch(VARIANT)
    with torch.no_grad():
        model.output.weight[:] = torch.tensor([1.0, 2, 3, 4, 5, 6])
        model.output.bias[:] = 10
    for name, value in zip(UNIMODAL, logits, strict=True):
        batch.inputs[name][..., 32] = value
    logit = 0.9 + 2 * 0.25 + 3 * 0.5 + 4 * 0.1 + 5 * 0.75 + 6 * 0.5 + 10
    torch.testing.assert_close(model(batch), torch.full((4, 6), logit))


def test_deep_fusion_classifies_after_a_dense_layer():
    model, batch = build("deep_fusion"), a_batch("deep_fusion")
    given = given_to(model.dense)
    logits = model(batch)
    (values,) = given
    members = torch.stack([batch.inputs[name][..., 32] for name in UNIMODAL], dim=2)
    torch.testing.assert_close(values, confidences(members).transpose(0, 1))
    emotion, utterance = 4, 2
    weight, bias = model.dense.weight[emotion], model.dense.bias[emotion]
    dense = (weight @ values[emotion, utterance] + bias).relu()
    expected = model.output.weight[emotion] @ dense + model.output.bias[emotion]
    torch.testing.assert_close(logits[utterance, emotion], expected[0])


def test_the_tensor_product_holds_modalities_and_interactions():
    z_l, z_v, z_a = torch.tensor([2.0, 3]), torch.tensor([5.0, 7]), torch.tensor([11.0])
    z_m = tensor_product([z_l, z_v, z_a])
    l_2 = [110, 10, 154, 14, 22, 2]  # 2 with 5 and 11, 5; 7 and 11, 7; 1 and 11, 1
    l_3 = [165, 15, 231, 21, 33, 3]
    l_1 = [55, 5, 77, 7, 11, 1]
    assert z_m.tolist() == l_2 + l_3 + l_1
    batched = torch.stack([z_l, z_v])[:, None], torch.stack([z_v, z_l])[:, None]  # (2, 1, 2) each
    assert torch.equal(tensor_product(batched)[1, 0], tensor_product([z_v, z_l]))


def test_tensor_fusion_is_a_layer_over_the_tensor_product():
    model, batch = build("tensor_fusion"), a_batch("tensor_fusion")
    with_one = {
        name: torch.cat([values[..., :32], torch.ones(4, 6, 1)], dim=2)
        for name, values in batch.inputs.items()
    }
    weight = model.output.weight.view(6, 33, 33, 33)
    vectors = [with_one[name] for name in ("language", "visual", "acoustic")]
    expected = torch.einsum("bel,bev,bea,elva->be", *vectors, weight) + model.output.bias[:, 0]
    torch.testing.assert_close(model(batch), expected, atol=1e-5, rtol=1e-4)


# Learning


@pytest.mark.parametrize("name", NETWORKS)
def test_it_learns_and_every_weight_is_trained(name):
    model = build(name).train()
    words = examples([1, 2, 3, 4, 5, 6] * 4)
    batch = activations(24) if name in SECOND else words.batch(np.arange(24))
    rate = {VARIANT: 0.1, "tensor_fusion": 1e-3}.get(name, 0.01)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    losses = []
    for _ in range(30):
        loss = binary_cross_entropy_with_logits(model(batch), batch.labels, reduction="none")
        loss = loss.mean(dim=0)
        optimizer.zero_grad()
        loss.sum().backward()
        for path, parameter in model.named_parameters():
            assert parameter.grad.flatten(1).any(dim=1).all(), path
        optimizer.step()
        losses.append(loss.detach())
    assert (losses[-1] < 0.6 * losses[0]).all()
