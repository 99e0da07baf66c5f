import numpy as np
import pytest
import torch
import yaml
from support import ROOT
from support.tiny_checkpoint import save_tiny_bert
from support.tiny_vision import DIM, SIZE, blurred_noise, save_tiny_swin
from torch import nn
from torch.nn.functional import cross_entropy

from merflow.nn.contrastive import contrastive_loss
from merflow.nn.swin import load_swin
from merflow.nn.temporal import TemporalBlock
from merflow.papers.deepmsi_mer import SYSTEMS, DeepMsi
from merflow.params.deepmsi_mer import DeepmsiMerSystemsParams
from merflow.systems import Batch, Learning
from merflow.training.batches import Examples

VECTORS = {"text": 16, "audio": 12}
WITH_VIDEO = {name: system for name, system in SYSTEMS.items() if "frames_15" in system.inputs}
NETWORK = {
    "pretrained": True,
    "compress_after": [1],
    "selection": "threshold",
    "gamma": 1.0,
    "keep": 0.5,
    "merge": True,
    "alpha": 0.9,
}
NETWORK |= {
    "tau": 1.0,
    "channels": [8, 8, 8],
    "kernel": 3,
    "projection": 10,
    "hidden": [8, 6],
    "dropout": 0.0,
}
NETWORK |= {"alpha_ce": 1.0, "beta_cl": 0.5, "contrast_tau": 0.5}


@pytest.fixture(scope="module")
def swin(tmp_path_factory):
    return save_tiny_swin(tmp_path_factory.mktemp("checkpoints") / "swin")


def taken(system):
    """Sentence vectors that a system takes."""
    return {
        name: VECTORS[name]
        for name in ("text", "audio")
        if name in (*system.inputs, *system.members)
    }


def build(name, swin, **changes) -> DeepMsi:
    torch.manual_seed(0)
    return SYSTEMS[name].build(
        taken(SYSTEMS[name]) | {"frames_15": SIZE}, 6, checkpoint=swin, **NETWORK | changes
    )


def a_batch(name, n=4, labels=(0, 1, 0, 2), seed=0):
    rng = np.random.default_rng(seed)
    inputs = {
        one: [rng.normal(size=(1, dim)).astype(np.float32) for _ in range(n)]
        for one, dim in taken(SYSTEMS[name]).items()
    }
    pictures = {"frames_15": [blurred_noise(15, SIZE, SIZE, seed=10 * seed + i) for i in range(n)]}
    return Examples([f"u{i}" for i in range(n)], inputs | pictures, np.array(labels[:n])).batch(
        np.arange(n)
    )


def test_parameters_name_every_system_and_ablations_change_one_thing():
    block = yaml.safe_load((ROOT / "params/paper.yaml").read_text(encoding="utf-8"))["papers"][
        "deepmsi_mer"
    ]["systems"]
    assert set(block) == set(SYSTEMS) == set(DeepmsiMerSystemsParams.model_fields)
    whole = block["text_audio_video"]
    changed = {
        "without_vsc": {"compress_after": []},
        "without_merge": {"merge": False},
        "top_k": {"selection": "top_k", "merge": False},
        "without_contrastive": {"beta_cl": 0.0},
    }
    for name, changes in changed.items():
        assert SYSTEMS[name] is SYSTEMS["text_audio_video"]
        assert block[name] == whole | {"network": whole["network"] | changes}
    for name in ("video", "text_video", "audio_video"):
        assert block[name] == whole
    assert whole["inputs"]["frames_15"]["frames"] == 15


@pytest.mark.parametrize("name", WITH_VIDEO)
def test_every_system_with_video_takes_what_it_names_and_learns(name, swin):
    network, batch = build(name, swin), a_batch(name)
    assert network.eval()(batch).shape == (4, 6)
    given = network.train()(batch)
    assert isinstance(given, Learning) and given.logits.shape == (4, 6)
    (given.logits.square().sum() + given.auxiliary).backward()
    without = [
        key
        for key, parameter in network.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
    assert not without


def test_the_loss_is_equation_7(swin):
    network, batch = (
        build("text_audio_video", swin, alpha_ce=0.7, beta_cl=0.3).train(),
        a_batch("text_audio_video"),
    )
    mapped = {}
    for name, projection in network.projections.items():
        projection.register_forward_hook(
            lambda _layer, _inputs, out, name=name: mapped.update({name: out})
        )
    given = network(batch)
    total = given.weight * cross_entropy(given.logits, batch.labels) + given.auxiliary
    contrast = sum(
        contrastive_loss(mapped["video"], mapped[name], batch.labels, 0.5)
        for name in ("text", "audio")
    )
    torch.testing.assert_close(
        total, 0.7 * cross_entropy(given.logits, batch.labels) + 0.3 * contrast
    )
    assert contrast > 0 and list(mapped) == ["text", "audio", "video"]


@pytest.mark.parametrize("labels", [(0,), (2, 2, 2)])
def test_a_batch_of_one_sample_or_one_class_is_learnt_from(swin, labels):
    network, batch = (
        build("text_audio_video", swin).train(),
        a_batch("text_audio_video", len(labels), labels),
    )
    given = network(batch)
    assert given.auxiliary == 0
    (cross_entropy(given.logits, batch.labels) + given.auxiliary).backward()
    assert all(
        torch.isfinite(parameter.grad).all()
        for parameter in network.parameters()
        if parameter.grad is not None
    )


def test_video_alone_has_nothing_to_contrast_and_nothing_to_guide_it(swin):
    network = build("video", swin).train()
    assert network(a_batch("video")).auxiliary == 0
    assert network.video.swin.compressions["1"].meaning is None


def test_a_logit_does_not_depend_on_what_is_computed_with_it(swin):
    network, batch = build("text_audio_video", swin).eval(), a_batch("text_audio_video")
    alone = [
        Batch(
            {name: values[i : i + 1] for name, values in batch.inputs.items()},
            {},
            batch.labels[i : i + 1],
            None,
        )
        for i in range(4)
    ]
    with torch.inference_mode():
        torch.testing.assert_close(network(batch), torch.cat([network(one) for one in alone]))


def test_what_is_said_decides_which_tokens_are_kept(swin):
    network, batch = build("text_video", swin).eval(), a_batch("text_video")
    compression = network.video.swin.compressions["1"]
    kept = []
    compression.register_forward_hook(lambda _layer, _inputs, out: kept.append(out[1]))
    with torch.inference_mode():
        count = network.tokens(batch)
        network.tokens(
            Batch(batch.inputs | {"text": -batch.inputs["text"]}, {}, batch.labels, batch.index)
        )
    assert count.shape == (4, 1)
    torch.testing.assert_close(count[:, 0], kept[0].sum(dim=1).view(4, 15).float().mean(dim=1))
    assert not kept[0].equal(kept[1])
    assert count.max() < 16  # of the 4 x 4 tokens after the first stage


def test_without_compression_every_token_is_counted(swin):
    network, batch = build("without_vsc", swin, compress_after=[]).eval(), a_batch("without_vsc")
    assert (
        network.tokens(batch).tolist() == [[16.0]] * 4
    )  # 4 x 4 after the patches of the first stage are merged


def test_swin_is_the_pre_trained_one_or_drawn_anew(swin):
    one, same = (build("video", swin).video.swin.swin for _ in range(2))
    torch.manual_seed(1)
    other = load_swin(swin, pretrained=False)
    name = "encoder.layers.0.blocks.0.attention.q_proj.weight"
    weights = [model.state_dict()[name] for model in (one, same, other)]
    assert weights[0].equal(weights[1]) and not weights[0].equal(weights[2])
    assert (
        one.config.depths == other.config.depths
        and one.config.hidden_size == other.config.hidden_size == DIM
    )


def test_pictures_are_normalised_as_the_checkpoint_says(swin):
    pixels = build("video", swin).video.pixels
    told = pixels(torch.tensor([[[[0, 127.5, 255]]]]).to(torch.float32))
    torch.testing.assert_close(
        told[0, :, 0, 0], torch.tensor([-1.0, 0.0, 1.0])
    )  # mean and deviation of the processor are a half


def test_layers_have_the_sizes_of_the_parameters(swin):
    network = build("text_audio_video", swin)
    assert {
        name: (one.in_features, one.out_features) for name, one in network.projections.items()
    } == {
        "text": (16, 10),
        "audio": (12, 10),
        "video": (8, 10),
    }
    sizes = [
        (layer.in_features, layer.out_features)
        for layer in network.classifier
        if isinstance(layer, nn.Linear)
    ]
    assert sizes == [(30, 8), (8, 6), (6, 6)]
    dilations = [
        block.layers[0].dilation
        for block in network.video.temporal.blocks
        if isinstance(block, TemporalBlock)
    ]
    assert dilations == [(1,), (2,), (4,)]


def test_a_compression_that_cannot_be_is_refused(swin):
    with pytest.raises(
        ValueError, match="no compression can follow stage 2 of 2: name stages from 1 to 1"
    ):
        build("video", swin, compress_after=[1, 2])


def test_text_hands_over_the_vector_that_its_classifier_reads(tmp_path):
    network = (
        SYSTEMS["text"]
        .build({}, 6, checkpoint=save_tiny_bert(tmp_path / "bert"), pooling="cls", dropout=0.5)
        .eval()
    )
    tokens = [np.array([[2, 0], [4, 0], [5, 0], [3, 0]]), np.array([[2, 0], [6, 0], [3, 0]])]
    batch = Examples(["a", "b"], {"tokens": tokens}, np.array([0, 1])).batch(np.arange(2))
    with torch.inference_mode():
        vectors = network.hidden(batch)
        assert vectors.shape == (2, 1, 16)
        torch.testing.assert_close(network(batch), network.classifier(vectors[:, 0]))
    assert SYSTEMS["text"].hands_over and [
        name for name, one in SYSTEMS.items() if one.members
    ] == [
        "text_video",
        "text_audio_video",
        "without_vsc",
        "without_merge",
        "top_k",
        "without_contrastive",
    ]


def test_audio_is_a_classifier_of_one_vector():
    network = SYSTEMS["audio"].build({"audio": 12}, 6, hidden=[8], dropout=0.0)
    batch = Batch(
        {"audio": torch.randn(3, 1, 12)}, {}, torch.zeros(3, dtype=torch.long), torch.arange(3)
    )
    assert network(batch).shape == (3, 6)
