import numpy as np
import pytest
import torch
import yaml
from support import ROOT
from support.tiny_checkpoint import save_tiny_bert
from support.tiny_vision import COMPRESSION, DIM, SIZE, blurred_noise, save_tiny_swin
from support.tiny_wav2vec2 import save_tiny_wav2vec2
from torch import nn
from torch.nn.functional import cross_entropy

from merflow.nn.contrastive import contrastive_loss
from merflow.nn.swin import load_swin
from merflow.nn.temporal import TemporalBlock
from merflow.papers.deepmsi_mer import SYSTEMS, DeepMsi
from merflow.params.deepmsi_mer import DeepmsiMerSystemsParams
from merflow.systems import Batch, TrainingOutput
from merflow.training.batches import Examples
from merflow.training.job import of_corpus

VECTORS = {"text": 16, "audio": 12}
FRAMES = {
    name: medium
    for name, system in SYSTEMS.items()
    for medium in system.inputs
    if medium.startswith("frames_")
}
NETWORK = {
    "pretrained": True,
    "compress_after": [1],
    **COMPRESSION,
    "channels": [8, 8, 8],
    "kernel": 3,
    "projection": 10,
    "hidden": [8, 6],
    "dropout": 0.0,
    "alpha_ce": 1.0,
    "beta_cl": 0.5,
    "contrast_tau": 0.5,
}


AUTHORS = {
    "layout": {"embed_dim": 8, "depths": [1, 4], "num_heads": [2, 2], "window_size": 4},
    "shed_in": 2,
    "grids": [2],
    "guide_units": 6,
    **{key: NETWORK[key] for key in ("channels", "kernel", "projection", "hidden", "dropout")},
    **{key: NETWORK[key] for key in ("alpha_ce", "beta_cl", "contrast_tau")},
}


@pytest.fixture(scope="module")
def swin(tmp_path_factory):
    return save_tiny_swin(tmp_path_factory.mktemp("checkpoints") / "swin")


def sentence_dims(name):
    """Lengths of the sentence vectors that are inputs of a system."""
    system = SYSTEMS[name]
    return {key: dim for key, dim in VECTORS.items() if key in (*system.inputs, *system.members)}


def build(name, swin, **changes) -> DeepMsi:
    torch.manual_seed(0)
    dims = sentence_dims(name) | {FRAMES[name]: SIZE}
    network = AUTHORS if name == "authors_video" else NETWORK
    return SYSTEMS[name].build(dims, 6, checkpoint=swin, **network | changes)


def a_batch(name, n=4, labels=(0, 1, 0, 2), seed=0):
    rng = np.random.default_rng(seed)
    inputs = {
        key: [rng.normal(size=(1, dim)).astype(np.float32) for _ in range(n)]
        for key, dim in sentence_dims(name).items()
    }
    inputs[FRAMES[name]] = [blurred_noise(15, SIZE, SIZE, seed=10 * seed + i) for i in range(n)]
    examples = Examples([f"u{i}" for i in range(n)], inputs, np.array(labels[:n]))
    return examples.batch(np.arange(n))


def test_parameters_name_every_system_and_its_ablations():
    params = yaml.safe_load((ROOT / "params/paper.yaml").read_text(encoding="utf-8"))
    systems = params["papers"]["deepmsi_mer"]["systems"]
    assert set(systems) == set(SYSTEMS) == set(DeepmsiMerSystemsParams.model_fields)
    whole = systems["text_audio_video"]
    ablations = {
        "without_vsc": {"compress_after": []},
        "without_merge": {"merge": False},
        "random_guide": {"guide": "random"},
        "top_k": {"selection": "top_k", "merge": False},
        "without_contrastive": {"beta_cl": 0.0},
    }
    for name, changes in ablations.items():
        assert SYSTEMS[name] is SYSTEMS["text_audio_video"]
        assert systems[name] == whole | {"network": whole["network"] | changes}
    for name in ("video", "text_video", "audio_video", "text_audio_video_frozen"):
        assert systems[name] == whole
    frames = {"text_audio_video": ("frames_15", 15), "frames_5": ("frames_15", 5)}
    frames |= {"frames_30": ("frames_dense", 30)}
    for name, (medium, count) in frames.items():
        assert systems[name] == whole | {"inputs": {medium: {"frames": count, "size": 224}}}
        assert medium in SYSTEMS[name].inputs
    assert params["media"]["dense_frames"] >= 30


def test_authors_video_has_the_layout_of_the_authors_code(swin):
    params = yaml.safe_load((ROOT / "params/paper.yaml").read_text(encoding="utf-8"))
    system = params["papers"]["deepmsi_mer"]["systems"]["authors_video"]
    assert system["inputs"]["frames_15"]["size"] == 256
    parameters = system["network"] | {"channels": [8]}
    dims = {"text": 4, "audio": 4, "frames_15": 256}
    network = SYSTEMS["authors_video"].build(dims, 6, checkpoint=swin, **parameters)
    stages = network.video.swin.swin.encoder.layers
    places = [
        [(block.input_resolution[0], block.window_size) for block in s.blocks] for s in stages
    ]
    assert places[2] == [(16, 8), (14, 7), (14, 7), (12, 6), (12, 6), (10, 5)]
    assert [len(of_stage) for of_stage in places] == [2, 2, 6, 2]
    assert not any(p.requires_grad for p in network.video.swin.guide.parameters())


@pytest.mark.parametrize("name", FRAMES)
def test_every_weight_of_a_system_with_video_is_trained(name, swin):
    network, batch = build(name, swin), a_batch(name)
    assert network.eval()(batch).shape == (4, 6)
    output = network.train()(batch)
    assert isinstance(output, TrainingOutput) and output.logits.shape == (4, 6)
    (output.logits.square().sum() + output.auxiliary).backward()
    trained = {key: p for key, p in network.named_parameters() if p.requires_grad}
    assert not [key for key, parameter in trained.items() if parameter.grad is None]


def test_the_loss_is_equation_7(swin):
    network = build("text_audio_video", swin, alpha_ce=0.7, beta_cl=0.3).train()
    batch, mapped = a_batch("text_audio_video"), {}
    for name, projection in network.projections.items():
        projection.register_forward_hook(
            lambda _layer, _inputs, out, name=name: mapped.update({name: out})
        )
    output = network(batch)
    loss = cross_entropy(output.logits, batch.labels)
    text, audio = (
        contrastive_loss(mapped["video"], mapped[name], batch.labels, 0.5)
        for name in ("text", "audio")
    )
    contrast = (text + audio) / 2
    total = output.weight * loss + output.auxiliary
    torch.testing.assert_close(total, 0.7 * loss + 0.3 * contrast)
    assert contrast > 0 and list(mapped) == ["text", "audio", "video"]


def test_one_modality_beside_video_has_one_contrast(swin):
    network, mapped = build("text_video", swin, beta_cl=0.3).train(), {}
    for name, projection in network.projections.items():
        projection.register_forward_hook(
            lambda _layer, _inputs, out, name=name: mapped.update({name: out})
        )
    batch = a_batch("text_video")
    output = network(batch)
    contrast = contrastive_loss(mapped["video"], mapped["text"], batch.labels, 0.5)
    torch.testing.assert_close(output.auxiliary, 0.3 * contrast)


@pytest.mark.parametrize("labels", [(0,), (2, 2, 2)])
def test_a_batch_of_one_example_or_one_class_has_gradients(swin, labels):
    network = build("text_audio_video", swin).train()
    batch = a_batch("text_audio_video", len(labels), labels)
    output = network(batch)
    assert output.auxiliary == 0
    (cross_entropy(output.logits, batch.labels) + output.auxiliary).backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(torch.isfinite(grad).all() for grad in gradients if grad is not None)


def test_video_alone_has_no_contrast_and_no_guide(swin):
    network = build("video", swin).train()
    assert network(a_batch("video")).auxiliary == 0
    assert network.video.swin.compressions["1"].guide is None


def test_a_logit_does_not_depend_on_what_is_computed_with_it(swin):
    network, batch = build("text_audio_video", swin).eval(), a_batch("text_audio_video")

    def alone(i):
        inputs = {name: values[i : i + 1] for name, values in batch.inputs.items()}
        return Batch(inputs, {}, batch.labels[i : i + 1], None)

    with torch.inference_mode():
        separate = torch.cat([network(alone(i)) for i in range(4)])
        torch.testing.assert_close(network(batch), separate)


def test_the_text_decides_which_tokens_are_kept(swin):
    network, batch = build("text_video", swin).eval(), a_batch("text_video")
    compression = network.video.swin.compressions["1"]
    kept = []
    compression.register_forward_hook(lambda _layer, _inputs, out: kept.append(out[1]))
    other_text = batch.inputs | {"text": -batch.inputs["text"]}
    with torch.inference_mode():
        count = network.tokens(batch)
        network.tokens(Batch(other_text, {}, batch.labels, batch.index))
    assert count.shape == (4, 1)
    torch.testing.assert_close(count[:, 0], kept[0].sum(dim=1).view(4, 15).mean(dim=1))
    assert ((kept[0] > 0) == (kept[1] > 0)).float().mean() < 0.8
    assert count.max() < 16  # of the 4 x 4 tokens after the first stage


def test_without_compression_every_token_is_counted(swin):
    network, batch = build("without_vsc", swin, compress_after=[]).eval(), a_batch("without_vsc")
    # 4 x 4 after the patches of the first stage are merged
    assert network.tokens(batch).tolist() == [[16.0]] * 4


def test_swin_starts_pre_trained_or_from_random_weights(swin):
    pretrained, again = (build("video", swin).video.swin.swin for _ in range(2))
    torch.manual_seed(1)
    random = load_swin(swin, pretrained=False)
    name = "encoder.layers.0.blocks.0.attention.q_proj.weight"
    weights = [model.state_dict()[name] for model in (pretrained, again, random)]
    assert weights[0].equal(weights[1]) and not weights[0].equal(weights[2])
    assert pretrained.config.depths == random.config.depths
    assert pretrained.config.hidden_size == random.config.hidden_size == DIM


def test_frames_are_normalised_as_the_checkpoint_says(swin):
    pixels = build("video", swin).video.pixels
    normalised = pixels(torch.tensor([[[[0, 127.5, 255]]]]).to(torch.float32))
    # mean and deviation of the processor are a half
    torch.testing.assert_close(normalised[0, :, 0, 0], torch.tensor([-1.0, 0.0, 1.0]))


def test_layers_have_the_sizes_of_the_parameters(swin):
    network = build("text_audio_video", swin)
    sizes = {
        name: (projection.in_features, projection.out_features)
        for name, projection in network.projections.items()
    }
    assert sizes == {"text": (16, 10), "audio": (12, 10), "video": (8, 10)}
    linear = [layer for layer in network.classifier if isinstance(layer, nn.Linear)]
    sizes = [(layer.in_features, layer.out_features) for layer in linear]
    assert sizes == [(30, 8), (8, 6), (6, 6)]
    temporal = network.video.temporal.blocks
    blocks = [block for block in temporal if isinstance(block, TemporalBlock)]
    assert [block.layers[0].dilation for block in blocks] == [(1,), (2,), (4,)]


def test_a_compression_after_the_last_stage_is_refused(swin):
    with pytest.raises(ValueError, match="no compression can follow stage 2 of 2"):
        build("video", swin, compress_after=[1, 2])


def test_text_exports_the_vector_that_its_classifier_reads(tmp_path):
    checkpoint = save_tiny_bert(tmp_path / "bert")
    network = SYSTEMS["text"].build({}, 6, checkpoint=checkpoint, pooling="cls", dropout=0.5)
    network.eval()
    tokens = [np.array([[2, 0], [4, 0], [5, 0], [3, 0]]), np.array([[2, 0], [6, 0], [3, 0]])]
    batch = Examples(["a", "b"], {"tokens": tokens}, np.array([0, 1])).batch(np.arange(2))
    with torch.inference_mode():
        vectors = network.hidden(batch)
        assert vectors.shape == (2, 1, 16)
        torch.testing.assert_close(network(batch), network.classifier(vectors[:, 0]))


def test_audio_exports_the_vector_that_its_classifier_reads(tmp_path):
    checkpoint = save_tiny_wav2vec2(tmp_path / "wav2vec2")
    network = SYSTEMS["audio"].build({}, 6, checkpoint=checkpoint, dropout=0.5).eval()
    rng = np.random.default_rng(0)
    audio = [rng.integers(-9000, 9000, n, dtype=np.int16) for n in (1600, 900)]
    batch = Examples(["a", "b"], {"waveform": audio}, np.array([0, 1])).batch(np.arange(2))
    with torch.inference_mode():
        vectors = network.hidden(batch)
        assert vectors.shape == (2, 1, 16)
        torch.testing.assert_close(network(batch), network.classifier(vectors[:, 0]))


def test_members_of_systems_with_video_are_fine_tuned_encoders():
    assert SYSTEMS["text"].exports_hidden and SYSTEMS["audio"].exports_hidden
    members = {name: system.members for name, system in SYSTEMS.items() if system.members}
    variants = {"without_vsc", "without_merge", "random_guide", "top_k", "without_contrastive"}
    variants |= {"frames_5", "frames_30", "authors_video"}
    assert members == {
        "text_video": ("text",),
        "audio_video": ("audio",),
        "text_audio_video": ("text", "audio"),
        "text_audio_video_frozen": ("text",),
        **dict.fromkeys(variants, ("text", "audio")),
    }


def test_settings_of_meld_are_those_of_the_authors_code():
    params = yaml.safe_load((ROOT / "params/paper.yaml").read_text(encoding="utf-8"))
    for name in ("audio_frozen", "text_audio_video"):
        system = params["papers"]["deepmsi_mer"]["systems"][name]
        of_meld, of_iemocap = of_corpus(system, "meld"), of_corpus(system, "iemocap")
        assert of_iemocap["training"]["l2"] and of_iemocap["training"]["weight_decay"] == 1e-5
        assert of_meld["training"] == of_iemocap["training"] | {"learning_rate": 1e-4}
        assert of_meld["network"] == of_iemocap["network"] | {"dropout": 0.4}
        assert of_iemocap == {key: value for key, value in system.items() if key != "corpora"}


def test_frozen_audio_is_a_classifier_of_one_vector():
    network = SYSTEMS["audio_frozen"].build({"audio": 12}, 6, hidden=[8], dropout=0.0)
    audio, labels = torch.randn(3, 1, 12), torch.zeros(3, dtype=torch.long)
    assert network(Batch({"audio": audio}, {}, labels, torch.arange(3))).shape == (3, 6)
