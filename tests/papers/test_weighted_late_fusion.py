import numpy as np
import pytest
import torch
import yaml
from support import ROOT
from support.tiny_checkpoint import save_tiny_bert

from merflow.features.text.tokens import Tokenizer
from merflow.papers.weighted_late_fusion import SYSTEMS, TextClassifier, weighted_average
from merflow.training.batches import Examples

TEXTS = ["oh no !", "what are you so sad", "yes"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return save_tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def examples(tiny):
    tokens, _ = Tokenizer(tiny).with_context(TEXTS, [[], [], TEXTS[:2]], 512)
    return Examples(["a", "b", "c"], {"tokens": tokens}, np.array([0, 1, 2]))


def test_names_of_text_systems_say_batch_size_and_context():
    params = yaml.safe_load((ROOT / "params/paper.yaml").read_text(encoding="utf-8"))
    systems = params["papers"]["weighted_late_fusion"]["systems"]
    assert set(systems) == set(SYSTEMS)
    for name, system in systems.items():
        if name.startswith("text"):
            batch_size, context = system["training"]["batch_size"], system["inputs"]["tokens"]
            plain = name.removesuffix("_context").removesuffix("_low_rate")
            assert plain.endswith(f"_{batch_size}")
            assert (context["context"] > 0) == name.endswith("_context")


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_padding_does_not_change_the_logits(tiny, examples, pooling):
    model = TextClassifier({}, 7, checkpoint=tiny, pooling=pooling, dropout=0.1).eval()
    with torch.no_grad():
        together = model(examples.batch(np.arange(3)))
        alone = torch.cat([model(examples.batch(np.array([i]))) for i in range(3)])
    assert together.shape == (3, 7)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_pooling_takes_the_mean_or_the_first_state(tiny, examples):
    mean, cls = (
        TextClassifier({}, 7, checkpoint=tiny, pooling=pooling, dropout=0.0).eval()
        for pooling in ("mean", "cls")
    )
    batch = examples.batch(np.array([1]))
    with torch.no_grad():
        states = mean.encoder(input_ids=batch.inputs["tokens"][..., 0]).last_hidden_state[0]
        expected = mean.classifier(states.mean(dim=0))
        torch.testing.assert_close(mean(batch)[0], expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(cls(batch)[0], cls.classifier(states[0]), atol=1e-5, rtol=0)


def test_the_mean_covers_the_utterance_and_not_its_context(tiny, examples):
    mean = TextClassifier({}, 7, checkpoint=tiny, pooling="mean", dropout=0.0).eval()
    batch = examples.batch(np.array([2]))
    tokens, segments = batch.inputs["tokens"].unbind(dim=-1)
    with torch.no_grad():
        states = mean.encoder(input_ids=tokens, token_type_ids=segments).last_hidden_state[0]
        expected = mean.classifier(states[:3].mean(dim=0))  # [CLS] yes [SEP]
        torch.testing.assert_close(mean(batch)[0], expected, atol=1e-5, rtol=0)


def test_fusion_is_a_weighted_average():
    text, audio = np.array([[[0.8, 0.2]], [[0.4, 0.6]]])
    fused = weighted_average(np.stack([text, audio]), np.array([0.75, 0.25]))
    np.testing.assert_allclose(fused, [[0.7, 0.3]])


def test_every_weight_is_trained(tiny, examples):
    model = TextClassifier({}, 7, checkpoint=tiny, pooling="mean", dropout=0.1)
    model(examples.batch(np.arange(3))).square().sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
