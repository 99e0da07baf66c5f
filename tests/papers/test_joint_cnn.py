import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from sklearn.linear_model import RidgeClassifier
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

BLOCK = yaml.safe_load(Path("params/paper.yaml").read_text(encoding="utf-8"))["papers"][
    "joint_cnn"
]["systems"]
TRAINED = [name for name, row in SYSTEMS.items() if isinstance(row, System)]
DIMS = {"text": 300, "speech": 100}  # FastText, D_S
LENGTHS = [1, 2, 9, 4]  # words; 1 and 2 are shorter than every filter


def build(name, dims=DIMS, **changed):
    torch.manual_seed(0)
    return SYSTEMS[name].build(dims, 6, **(BLOCK[name]["network"] | changed))


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
    return Examples(
        [f"u{i}" for i in range(len(lengths))], {"text": text, "speech": speech}, labels
    )


def shapes(model, batch, kinds):
    """Output shapes, without the batch axis, of the layers of these kinds in the order they ran."""
    seen = []

    def note(layer, _, output):
        seen.append(tuple((output[0] if isinstance(layer, nn.LSTM) else output).shape[1:]))

    for layer in model.modules():
        if isinstance(layer, kinds):
            layer.register_forward_hook(note)
    model(batch)
    return seen


def test_the_systems_are_those_of_the_parameters():
    assert set(SYSTEMS) == set(BLOCK) == set(JointCnnSystemsParams.model_fields)
    for name, row in SYSTEMS.items():
        assert ("weights" in BLOCK[name]) == (isinstance(row, Fusion) and row.weighted)
        if isinstance(row, Fusion):
            assert set(row.members) <= set(TRAINED)
        else:
            assert set(row.fitted) == set(BLOCK[name].get("inputs", {}))


# Shapes: Table 1


@pytest.mark.parametrize(("sequence", "steps"), [("positions", 9), ("utterance", 1)])
def test_layers_of_the_text_network_have_the_sizes_of_table_1(sequence, steps):
    model = build("text_lstm", sequence=sequence)
    found = shapes(model, examples().batch(np.arange(4)), (nn.Conv1d, nn.LSTM, nn.Linear))
    text_features = (9, 100) if sequence == "positions" else (100,)
    assert found == [(64, 9), (64, 9), (64, 9), text_features, (steps, 128), (512,), (128,), (6,)]
    assert [convolution.kernel_size for _, convolution in model.extractor.convolutions] == [
        (3,),
        (4,),
        (5,),
    ]
    assert model.dropout.p == 0.2


def test_layers_of_the_speech_network_have_the_sizes_of_table_1():
    found = shapes(
        build("speech_cnn"), examples().batch(np.arange(4)), (nn.Conv1d, nn.MaxPool1d, nn.Linear)
    )
    assert found == [(128, 96), (128, 48), (128, 44), (128, 22), (512,), (128,), (6,)]


def test_layers_of_the_joint_network_have_the_sizes_of_table_1():
    found = shapes(
        build("joint_cnn"),
        examples().batch(np.arange(4)),
        (nn.Conv1d, EarlyFusion, nn.MaxPool1d, nn.Linear),
    )
    text, early, cnn = (
        [(64, 9)] * 3 + [(100,)],
        [(200,), (200,)],
        [(128, 196), (128, 98), (128, 94), (128, 47)],
    )
    assert found == [*text, *early, *cnn, (512,), (128,), (6,)]


def test_the_cnn_convolves_rectifies_and_pools_twice():
    cnn = Cnn(length=7, n_classes=6, filters=1, width=1, pool=2, hidden=[4, 3])
    with torch.no_grad():
        for layer, weight, bias in (
            (cnn.convolutions[0], 1.0, 1.0),
            (cnn.convolutions[3], -1.0, 5.0),
        ):
            layer.weight.fill_(weight)
            layer.bias.fill_(bias)
    seen = []
    cnn.dense.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    cnn(
        torch.tensor([[-3.0, -2.0, 1.0, 7.0, 3.0, -9.0, 99.0], [9.0, 6.0, 8.0, 8.0, 0.0, 0.0, 0.0]])
    )
    # first pools: 0 8 4 and 10 9 1 (the odd last value is dropped); 5 minus those, rectified: 5 0 1 and 0 0 4; second pools: 5 and 0
    assert seen[0].tolist() == [[5.0], [0.0]]


def test_the_cnn_says_when_it_gets_too_few_features():
    assert Cnn(length=16, n_classes=6, filters=2, width=5, pool=2, hidden=[4, 3])(
        torch.zeros(1, 16)
    ).shape == (1, 6)
    with pytest.raises(
        ValueError, match="15 features are too few for two convolutions of width 5 with pools of 2"
    ):
        Cnn(length=15, n_classes=6, filters=2, width=5, pool=2, hidden=[4, 3])


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
            convolution.bias.fill_(
                10
            )  # a padded position is 10 or more, above nothing that it must not hide
        extractor.dense.weight.copy_(torch.eye(2))
        extractor.dense.bias.zero_()
    words, mask = (
        torch.tensor([[[-1.0], [-2.0], [-3.0], [0.0], [0.0]]]),
        torch.tensor([[True, True, True, False, False]]),
    )
    # sums of width 3 (one to the left, one to the right) and 4 (one to the left, two to the right), plus 10
    at_words = torch.tensor([[10.0 - 3, 10 - 6], [10 - 6, 10 - 6], [10 - 5, 10 - 5]])
    torch.testing.assert_close(extractor.positions(words)[0, :3], at_words)
    torch.testing.assert_close(extractor(words, mask), torch.tensor([[7.0, 5.0]]))


def test_the_lstm_reads_positions_or_the_utterance():
    data = examples([3])
    reversed_data = Examples(data.ids, {"text": [data.inputs["text"][0][::-1].copy()]}, data.labels)
    steps = {"positions": (1, 3, 100), "utterance": (1, 1, 100)}
    for sequence, shape in steps.items():
        model, seen = build("text_lstm", sequence=sequence).eval(), []
        model.lstm.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
        batch = data.batch(np.array([0]))
        logits = model(batch)
        words, mask = batch.inputs["text"], batch.masks["text"]
        expected = (
            model.extractor.positions(words)
            if sequence == "positions"
            else model.extractor(words, mask)[:, None]
        )
        assert seen[0].shape == shape
        torch.testing.assert_close(seen[0], expected)
        torch.testing.assert_close(logits, model.dense(model.lstm(expected)[0][:, -1]))
        assert not torch.allclose(logits, model(reversed_data.batch(np.array([0]))))


def test_dropout_is_applied_to_the_lstm_alone():
    for name in TRAINED:
        dropped = [
            path for path, layer in build(name).named_modules() if isinstance(layer, nn.Dropout)
        ]
        assert dropped == (["dropout"] if name == "text_lstm" else [])
    model = build("text_lstm", dropout=0.5)
    seen = []
    model.dense.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(examples().batch(np.arange(4)))
    assert 0.3 < (seen[0] == 0).float().mean() < 0.7


# Selection of speech features


@pytest.fixture
def functionals():
    """Train part (60, 40): the labels shift columns 3 and 7 a little, columns 20 to 24 are large, column 30 is constant."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    values = rng.normal(size=(60, 40)).astype(np.float32)
    values[:, 3] += 3 * (labels == 1)
    values[:, 7] += 3 * (labels == 2)
    values[:, 20:25] = 1e4 * (5 + values[:, 20:25])
    values[:, 30] = 17
    return values, labels


@pytest.mark.parametrize("method", ["ridge", "norm"])
def test_selection_keeps_the_asked_for_columns_scaled_on_the_train_part(functionals, method):
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


def test_ridge_keeps_the_largest_coefficients_and_norm_the_largest_columns(functionals):
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
def test_selection_knows_nothing_but_what_it_was_fitted_on(functionals, method):
    values, labels = functionals
    test = np.random.default_rng(1).normal(50, 9, (30, 40)).astype(np.float32)
    fitted = selection(method, keep=10, alpha=1.0).fit(values, labels)
    before = fitted.transform(test[:1])
    columns = fitted[-1].get_support(indices=True)
    fitted.transform(test)
    np.testing.assert_array_equal(
        fitted.transform(test[:1]), before
    )  # a row alone, and after others: the same
    low, high = values.min(axis=0)[columns], values.max(axis=0)[columns]
    np.testing.assert_allclose(
        before[0], (test[0, columns] - low) / (high - low), rtol=1e-3
    )  # ranges of the train part, not clipped
    on_both = selection(method, 10, 1.0).fit(
        np.concatenate([values, test]), np.concatenate([labels, np.repeat([0, 1], 15)])
    )
    assert not np.allclose(
        on_both.transform(test[:1]), before
    )  # had it seen the test part, it would show


@pytest.mark.parametrize("method", ["ridge", "norm"])
def test_selection_of_fewer_columns_keeps_all(functionals, method):
    values, labels = functionals
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "k=100 is greater than n_features=40", UserWarning)
        assert selection(method, 100, 1.0).fit(values, labels).transform(values).shape == (60, 40)


# Equations


def test_equation_1():
    fusion = EarlyFusion(text_dim=1, speech_dim=2)
    with torch.no_grad():
        fusion.dense.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 2.0, 0], [1.0, 1.0, -1.0]]))
        fusion.dense.bias.copy_(torch.tensor([0.0, 0.5, 0.1]))
    found = fusion(torch.tensor([[0.3]]), torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(
        found, torch.tensor([[math.tanh(0.3), math.tanh(1.0), math.tanh(-0.1)]])
    )


PROBABILITIES = np.array(
    [[[0.7, 0.2, 0.1], [0.5, 0.25, 0.25]], [[0.1, 0.6, 0.3], [0.2, 0.4, 0.4]]]
)  # (M, N, K)


def test_equation_2():
    np.testing.assert_allclose(average(PROBABILITIES), [[0.4, 0.4, 0.2], [0.35, 0.325, 0.325]])


def test_equation_3():
    np.testing.assert_allclose(
        weighted(PROBABILITIES, np.array([0.3, 0.7])), [[0.28, 0.48, 0.24], [0.29, 0.355, 0.355]]
    )


def test_equation_4():
    np.testing.assert_allclose(
        product(PROBABILITIES), [[7 / 22, 12 / 22, 3 / 22], [1 / 3, 1 / 3, 1 / 3]]
    )


def test_equation_4_orders_the_classes_as_the_odds_of_the_paper_do():
    products = PROBABILITIES.prod(axis=0)
    odds = products / (products.sum(axis=1, keepdims=True) - products)  # sum over j' != j
    np.testing.assert_array_equal(
        np.argsort(odds, axis=1), np.argsort(product(PROBABILITIES), axis=1)
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_product_of_certain_members_is_a_distribution(dtype):
    members = np.array(
        [
            [[1, 0, 0], [1, 0, 0], [0.4, 0.6, 0], [1e-38, 1, 0]],
            [[0, 1, 0], [1, 0, 0], [0, 0.5, 0.5], [1, 1e-30, 0]],
        ],
        dtype,
    )
    found = product(members)
    np.testing.assert_allclose(found, [[0.5, 0.5, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]], atol=2e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


def test_fusions_call_their_equation():
    for kind, expected in {
        "average": average(PROBABILITIES),
        "product": product(PROBABILITIES),
    }.items():
        for group, partner in {"late": "joint_cnn", "unimodal": "speech_cnn"}.items():
            row = SYSTEMS[f"{group}_{kind}"]
            assert row.members == ("text_lstm", partner)
            np.testing.assert_array_equal(row.combine(PROBABILITIES), expected)
    for name in ("late_weighted", "unimodal_weighted"):
        np.testing.assert_array_equal(
            SYSTEMS[name].combine(PROBABILITIES, [1.0, 0.0]), PROBABILITIES[0]
        )


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
        assert [
            path for path, parameter in model.named_parameters() if parameter.grad is None
        ] == []
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
