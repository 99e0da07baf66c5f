import math
import warnings

import numpy as np
import pytest
import torch
import yaml
from sklearn.linear_model import RidgeClassifier
from support import ROOT
from torch import nn
from torch.nn.functional import cross_entropy

from merflow.papers.joint_cnn import (
    SYSTEMS,
    Cnn,
    EarlyFusion,
    TextExtractor,
    average,
    product,
    selection,
    weighted,
)
from merflow.params.joint_cnn import JointCnnSystemsParams
from merflow.systems import Fusion, System
from merflow.training.batches import Examples

PARAMS = yaml.safe_load((ROOT / "params/paper.yaml").read_text(encoding="utf-8"))
OF_SYSTEMS = PARAMS["papers"]["joint_cnn"]["systems"]
TRAINED = [name for name, system in SYSTEMS.items() if isinstance(system, System)]
DIMS = {"text": 300, "speech": 100}  # FastText, D_S
LENGTHS = [1, 2, 9, 4]  # words; 1 and 2 are shorter than every filter


def build(name, dims=DIMS, **changed):
    torch.manual_seed(0)
    return SYSTEMS[name].build(dims, 6, **(OF_SYSTEMS[name]["network"] | changed))


def examples(lengths=LENGTHS, dims=DIMS, seed=0):
    """Utterances whose class (index % 6) shifts every value of words and speech."""
    rng = np.random.default_rng(seed)
    labels = np.arange(len(lengths)) % 6
    text = [
        rng.normal(labels[i] - 2.5, 1, (n, dims["text"])).astype(np.float32)
        for i, n in enumerate(lengths)
    ]
    speech = [
        rng.random((1, dims["speech"]), dtype=np.float32) * np.float32((y + 1) / 6) for y in labels
    ]
    ids = [f"u{i}" for i in range(len(lengths))]
    return Examples(ids, {"text": text, "speech": speech}, labels)


def shapes(model, batch, kinds):
    """Output shapes, without the batch axis, of layers of some kinds as they ran."""
    outputs = []

    def note(layer, _, output):
        outputs.append(output[0] if isinstance(layer, nn.LSTM) else output)

    for layer in model.modules():
        if isinstance(layer, kinds):
            layer.register_forward_hook(note)
    model(batch)
    return [tuple(output.shape[1:]) for output in outputs]


def given_to(layer):
    """List that gets the first argument of every call of a layer."""
    arguments = []
    layer.register_forward_pre_hook(lambda _, inputs: arguments.append(inputs[0]))
    return arguments


def test_systems_are_the_systems_of_the_parameters():
    assert set(SYSTEMS) == set(OF_SYSTEMS) == set(JointCnnSystemsParams.model_fields)
    for name, system in SYSTEMS.items():
        weighted_fusion = isinstance(system, Fusion) and system.weighted
        assert ("weights" in OF_SYSTEMS[name]) == weighted_fusion
        if isinstance(system, Fusion):
            assert set(system.members) <= set(TRAINED)
        elif isinstance(system, System):
            assert set(system.transformers) == set(OF_SYSTEMS[name].get("inputs", {}))


# Shapes: Table 1


@pytest.mark.parametrize(("sequence", "steps"), [("positions", 9), ("utterance", 1)])
def test_the_text_network_has_the_sizes_of_table_1(sequence, steps):
    model, kinds = build("text_lstm", sequence=sequence), (nn.Conv1d, nn.LSTM, nn.Linear)
    text = (9, 100) if sequence == "positions" else (100,)
    expected = [(64, 9), (64, 9), (64, 9), text, (steps, 128), (512,), (128,), (6,)]
    assert shapes(model, examples().batch(np.arange(4)), kinds) == expected
    widths = [convolution.kernel_size for _, convolution in model.extractor.convolutions]
    assert widths == [(3,), (4,), (5,)]
    assert model.recurrent.dropout.p == 0.2


def test_the_lstm_on_speech_makes_one_step():
    model, kinds = build("speech_lstm"), (nn.LSTM, nn.Linear)
    given = given_to(model.recurrent.lstm)
    batch = examples().batch(np.arange(4))
    assert shapes(model, batch, kinds) == [(1, 128), (512,), (128,), (6,)]
    torch.testing.assert_close(given[0], batch.inputs["speech"])  # (4, 1, D_S)
    of_text = OF_SYSTEMS["text_lstm"]["network"]
    assert OF_SYSTEMS["speech_lstm"]["network"].items() <= of_text.items()


def test_the_speech_network_has_the_sizes_of_table_1():
    model, kinds = build("speech_cnn"), (nn.Conv1d, nn.MaxPool1d, nn.Linear)
    expected = [(128, 96), (128, 48), (128, 44), (128, 22), (512,), (128,), (6,)]
    assert shapes(model, examples().batch(np.arange(4)), kinds) == expected


def test_the_joint_network_has_the_sizes_of_table_1():
    model, kinds = build("joint_cnn"), (nn.Conv1d, EarlyFusion, nn.MaxPool1d, nn.Linear)
    text, early = [(64, 9)] * 3 + [(100,)], [(200,), (200,)]
    cnn = [(128, 196), (128, 98), (128, 94), (128, 47), (512,), (128,), (6,)]
    assert shapes(model, examples().batch(np.arange(4)), kinds) == text + early + cnn


def test_the_cnn_convolves_rectifies_and_pools_twice():
    cnn = Cnn(length=7, n_classes=6, filters=1, width=1, pool=2, hidden=[4, 3])
    with torch.no_grad():
        for number, weight, bias in ((0, 1.0, 1.0), (3, -1.0, 5.0)):
            cnn.convolutions[number].weight.fill_(weight)
            cnn.convolutions[number].bias.fill_(bias)
    given = given_to(cnn.dense)
    features = [[-3.0, -2.0, 1.0, 7.0, 3.0, -9.0, 99.0], [9.0, 6.0, 8.0, 8.0, 0.0, 0.0, 0.0]]
    cnn(torch.tensor(features))
    # first pools: 0 8 4 and 10 9 1 (the odd last value is dropped)
    # 5 minus these values, rectified: 5 0 1 and 0 0 4; second pools: 5 and 0
    assert given[0].tolist() == [[5.0], [0.0]]


def test_the_cnn_refuses_too_few_features():
    sizes = {"n_classes": 6, "filters": 2, "width": 5, "pool": 2, "hidden": [4, 3]}
    assert Cnn(16, **sizes)(torch.zeros(1, 16)).shape == (1, 6)
    message = "15 features are too few for two convolutions of width 5 with pools of 2"
    with pytest.raises(ValueError, match=message):
        Cnn(15, **sizes)


# Text


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("text_lstm", {"sequence": "positions"}),
        ("text_lstm", {"sequence": "utterance"}),
        ("joint_cnn", {}),
    ],
)
def test_padding_never_changes_a_logit(name, changed):
    model, data = build(name, **changed).eval(), examples()
    with torch.no_grad():
        together = model(data.batch(np.arange(4)))
        alone = torch.cat([model(data.batch(np.array([i]))) for i in range(4)])
    assert together.shape == (4, 6)
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
    assert torch.unique(together, dim=0).shape == (4, 6)  # the texts do differ


def test_a_position_sees_its_window_and_pooling_only_words():
    extractor = TextExtractor(dim=1, widths=[3, 4], maps=1, text_dim=2)
    with torch.no_grad():
        for _, convolution in extractor.convolutions:
            convolution.weight.fill_(1)
            convolution.bias.fill_(10)  # a padded position would be above every word
        extractor.dense.weight.copy_(torch.eye(2))
        extractor.dense.bias.zero_()
    words = torch.tensor([[[-1.0], [-2.0], [-3.0], [0.0], [0.0]]])
    mask = torch.tensor([[True, True, True, False, False]])
    # 10 plus sums of width 3 (one to the left, one to the right) and 4 (one left, two right)
    at_words = torch.tensor([[10.0 - 3, 10 - 6], [10 - 6, 10 - 6], [10 - 5, 10 - 5]])
    torch.testing.assert_close(extractor.positions(words)[0, :3], at_words)
    torch.testing.assert_close(extractor(words, mask), torch.tensor([[7.0, 5.0]]))


def test_the_lstm_reads_positions_or_the_utterance():
    data = examples([3])
    backwards = Examples(data.ids, {"text": [data.inputs["text"][0][::-1].copy()]}, data.labels)
    shapes = {"positions": (1, 3, 100), "utterance": (1, 1, 100)}
    for sequence, shape in shapes.items():
        model, batch = build("text_lstm", sequence=sequence).eval(), data.batch(np.array([0]))
        given = given_to(model.recurrent.lstm)
        logits, steps = model(batch), given[0]
        words, mask = batch.inputs["text"], batch.masks["text"]
        if sequence == "positions":
            expected = model.extractor.positions(words)
        else:
            expected = model.extractor(words, mask)[:, None]
        assert steps.shape == shape
        torch.testing.assert_close(steps, expected)
        states, _ = model.recurrent.lstm(expected)
        torch.testing.assert_close(logits, model.recurrent.dense(states[:, -1]))
        assert not torch.allclose(logits, model(backwards.batch(np.array([0]))))


def test_dropout_is_applied_to_the_lstm_alone():
    for name in TRAINED:
        layers = build(name).named_modules()
        dropouts = [path for path, layer in layers if isinstance(layer, nn.Dropout)]
        assert dropouts == (["recurrent.dropout"] if "_lstm" in name else [])
    model = build("text_lstm", dropout=0.5)
    given = given_to(model.recurrent.dense)
    model(examples().batch(np.arange(4)))
    assert 0.3 < (given[0] == 0).float().mean() < 0.7


# Selection of speech features


@pytest.fixture
def functionals():
    """Train split (60, 40) whose labels shift columns 3 and 7 a little.

    Columns 20 to 24 are large, column 30 is constant.
    """
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    values = rng.normal(size=(60, 40)).astype(np.float32)
    values[:, 3] += 3 * (labels == 1)
    values[:, 7] += 3 * (labels == 2)
    values[:, 20:25] = 1e4 * (5 + values[:, 20:25])
    values[:, 30] = 17
    return values, labels


@pytest.mark.parametrize("method", ["ridge", "norm"])
def test_selection_keeps_columns_scaled_on_the_train_split(functionals, method):
    values, labels = functionals
    fitted = selection(method, keep=10, alpha=1.0).fit(values, labels)
    kept, columns = fitted.transform(values), fitted[-1].get_support(indices=True)
    assert kept.shape == (60, 10)
    assert kept.dtype == np.float32
    scaled = (values - values.min(axis=0)) / np.maximum(np.ptp(values, axis=0), 1e-9)
    np.testing.assert_allclose(kept, scaled[:, columns], atol=1e-5)
    np.testing.assert_allclose(kept.min(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(kept.max(axis=0), 1, atol=1e-5)
    assert 30 not in columns


def test_ridge_keeps_large_coefficients_norm_large_columns(functionals):
    values, labels = functionals
    scaled = (values - values.min(axis=0)) / np.maximum(np.ptp(values, axis=0), 1e-9)
    coefficients = RidgeClassifier(alpha=1.0).fit(scaled, labels).coef_  # (classes, columns)
    expected = {
        "ridge": np.sqrt(np.square(coefficients).sum(axis=0)),
        "norm": np.sqrt(np.square(scaled).sum(axis=0)),
    }
    for method, norms in expected.items():
        for keep in range(1, 40):
            columns = selection(method, keep, 1.0).fit(values, labels)[-1].get_support(indices=True)
            assert set(columns) == set(np.argsort(-norms)[:keep])
    assert set(np.argsort(-expected["ridge"])[:2]) == {3, 7}


def test_alpha_is_the_weight_of_the_penalty(functionals):
    values, labels = functionals
    weak, strong = (
        selection("ridge", 5, alpha).fit(values, labels)[-1].estimator_.coef_
        for alpha in (0.1, 1000.0)
    )
    assert np.linalg.norm(strong) < 0.1 * np.linalg.norm(weak)


@pytest.mark.parametrize("method", ["ridge", "norm"])
def test_selection_depends_on_the_train_split_alone(functionals, method):
    values, labels = functionals
    test = np.random.default_rng(1).normal(50, 9, (30, 40)).astype(np.float32)
    fitted = selection(method, keep=10, alpha=1.0).fit(values, labels)
    before = fitted.transform(test[:1])
    columns = fitted[-1].get_support(indices=True)
    fitted.transform(test)
    np.testing.assert_array_equal(fitted.transform(test[:1]), before)
    low, high = values.min(axis=0)[columns], values.max(axis=0)[columns]
    scaled = (test[0, columns] - low) / (high - low)  # by the range of train, not clipped
    np.testing.assert_allclose(before[0], scaled, rtol=1e-3)
    of_both = np.concatenate([values, test]), np.concatenate([labels, np.repeat([0, 1], 15)])
    on_both = selection(method, 10, 1.0).fit(*of_both)
    assert not np.allclose(on_both.transform(test[:1]), before)


def test_cross_validation_selects_what_a_weak_ridge_misses():
    """Features that carry one signal together share its coefficient, and noise overtakes them."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    values = rng.normal(size=(60, 600)).astype(np.float32)
    values[:, :200] += 2 * labels[:, None] + rng.normal(size=(60, 1))
    hits = {
        alpha: selection("ridge", 20, alpha).fit(values, labels)[-1].get_support()[:200].sum()
        for alpha in (1.0, "cv")
    }
    assert hits[1.0] < 15 and hits["cv"] == 20


@pytest.mark.parametrize("method", ["ridge", "norm"])
def test_selection_of_fewer_columns_keeps_all(functionals, method):
    values, labels = functionals
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "k=100 is greater than n_features=40", UserWarning)
        fitted = selection(method, 100, 1.0).fit(values, labels)
    assert fitted.transform(values).shape == (60, 40)


# Equations


def test_equation_1():
    fusion = EarlyFusion(text_dim=1, speech_dim=2)
    with torch.no_grad():
        fusion.dense.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 2.0, 0], [1.0, 1.0, -1.0]]))
        fusion.dense.bias.copy_(torch.tensor([0.0, 0.5, 0.1]))
    joint = fusion(torch.tensor([[0.3]]), torch.tensor([[0.25, 0.75]]))
    expected = torch.tensor([[math.tanh(0.3), math.tanh(1.0), math.tanh(-0.1)]])
    torch.testing.assert_close(joint, expected)


PROBABILITIES = np.array(
    [[[0.7, 0.2, 0.1], [0.5, 0.25, 0.25]], [[0.1, 0.6, 0.3], [0.2, 0.4, 0.4]]]
)  # (M, N, K)


def test_equation_2():
    np.testing.assert_allclose(average(PROBABILITIES), [[0.4, 0.4, 0.2], [0.35, 0.325, 0.325]])


def test_equation_3():
    fused = weighted(PROBABILITIES, np.array([0.3, 0.7]))
    np.testing.assert_allclose(fused, [[0.28, 0.48, 0.24], [0.29, 0.355, 0.355]])


def test_equation_4():
    expected = [[7 / 22, 12 / 22, 3 / 22], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(product(PROBABILITIES), expected)


def test_equation_4_orders_the_classes_as_the_papers_odds():
    products = PROBABILITIES.prod(axis=0)
    odds = products / (products.sum(axis=1, keepdims=True) - products)  # sum over j' != j
    order = np.argsort(product(PROBABILITIES), axis=1)
    np.testing.assert_array_equal(np.argsort(odds, axis=1), order)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_product_of_certain_members_is_a_distribution(dtype):
    first = [[1, 0, 0], [1, 0, 0], [0.4, 0.6, 0], [1e-38, 1, 0]]
    second = [[0, 1, 0], [1, 0, 0], [0, 0.5, 0.5], [1, 1e-30, 0]]
    fused = product(np.array([first, second], dtype))
    np.testing.assert_allclose(fused, [[0.5, 0.5, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]], atol=2e-6)
    np.testing.assert_allclose(fused.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(("group", "partner"), [("late", "joint_cnn"), ("unimodal", "speech_cnn")])
def test_fusions_compute_their_equation(group, partner):
    for kind, equation in {"average": average, "product": product}.items():
        system = SYSTEMS[f"{group}_{kind}"]
        assert system.members == ("text_lstm", partner)
        np.testing.assert_array_equal(system.combine(PROBABILITIES), equation(PROBABILITIES))
    first_alone = SYSTEMS[f"{group}_weighted"].combine(PROBABILITIES, [1.0, 0.0])
    np.testing.assert_array_equal(first_alone, PROBABILITIES[0])


# Learning


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("speech_cnn", {}),
        ("joint_cnn", {}),
        ("text_lstm", {"sequence": "positions"}),
        ("text_lstm", {"sequence": "utterance"}),
    ],
)
def test_it_learns_and_every_weight_is_trained(name, changed):
    model, data = build(name, **changed), examples([1, 2, 3, 4, 5, 6] * 4)
    batch = data.batch(np.arange(len(data)))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(15):
        loss = cross_entropy(model(batch), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
