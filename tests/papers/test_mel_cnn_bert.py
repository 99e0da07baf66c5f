import numpy as np
import pytest
import torch
from torch import nn

from merflow.papers.mel_cnn_bert import (
    SYSTEMS,
    AttentionFusion,
    DialogueGru,
    FrameNorm,
    SpeechModule,
    TextModule,
)
from merflow.systems import Batch
from merflow.training.batches import Examples

DIMS = {"speech": 80, "text": 768}
SPEECH = {"maps": 8, "channels": [32, 48, 64, 80], "dense": 100, "dropout": 0.3}
TEXT = {"text_dim": 100, "gru": 100, "dropout": 0.3}
NETWORKS = {
    "speech": SPEECH,
    "text": TEXT,
    "fusion": SPEECH | TEXT | {"n": 250},
    "concatenation": SPEECH | TEXT | {"n": 250},
    "fusion_n125": SPEECH | TEXT | {"n": 125},
    "fusion_n500": SPEECH | TEXT | {"n": 500},
}
SMALL = {"speech": 12, "text": 6}
SMALL_SPEECH = {"maps": 2, "channels": [4, 5, 6, 7], "dense": 8, "dropout": 0.0}
SMALL_TEXT = {"text_dim": 5, "gru": 4, "dropout": 0.0}
SMALL_NETWORKS = {
    "speech": SMALL_SPEECH,
    "text": SMALL_TEXT,
    "fusion": SMALL_SPEECH | SMALL_TEXT | {"n": 9},
    "concatenation": SMALL_SPEECH | SMALL_TEXT | {"n": 9},
    "fusion_n125": SMALL_SPEECH | SMALL_TEXT | {"n": 5},
    "fusion_n500": SMALL_SPEECH | SMALL_TEXT | {"n": 18},
}
DIALOGUES = ([3, 0, 5], [1], [2, 4, 6, 7])


def examples(lengths, dialogues=None, seed=0):
    rng = np.random.default_rng(seed)
    inputs = {"speech": [rng.normal(size=(n, 12)).astype("float32") for n in lengths]}
    inputs["text"] = [rng.normal(size=(1, 6)).astype("float32") for _ in lengths]
    ids = [f"u{i}" for i in range(len(lengths))]
    return Examples(ids, inputs, np.zeros(len(lengths), int), dialogues)


ALL = examples([1, 2, 3, 5, 7, 8, 13, 21], [np.array(positions) for positions in DIALOGUES])


def built(name, seed=0):
    """Network whose batch normalisation has statistics."""
    torch.manual_seed(seed)
    network = SYSTEMS[name].build(SMALL, 4, **SMALL_NETWORKS[name])
    for _ in range(3):
        network(ALL.batch(np.arange(3)))
    return network


# --- sizes


def test_the_speech_module_has_the_papers_kernels():
    module = SpeechModule(80, 8, [32, 48, 64, 80], 100, 0.3)
    parallel, further = (
        [block.convolution for block in blocks] for blocks in (module.parallel, module.further)
    )
    # (frames, bands) in torch, (bands, frames) in the paper
    assert [layer.kernel_size for layer in parallel] == [(2, 10), (8, 2)]
    assert [(layer.in_channels, layer.out_channels) for layer in parallel] == [(1, 8)] * 2
    channels = [(16, 32), (32, 48), (48, 64), (64, 80)]
    assert [(layer.in_channels, layer.out_channels) for layer in further] == channels
    assert [layer.kernel_size for layer in further] == [(3, 3)] * 4
    assert all(layer.stride == (1, 1) for layer in [*parallel, *further])


def test_the_speech_module_pools_twice():
    module = SpeechModule(80, 8, [32, 48, 64, 80], 100, 0.3)
    frames, mask = torch.randn(2, 100, 80), torch.ones(2, 100, dtype=bool)
    values, pooled_mask = module.feature_maps(frames, mask)
    assert values.shape == (2, 80, 25, 20) and pooled_mask.shape == (2, 25)
    assert module(frames, mask).shape == (2, 100)


def test_the_text_module_has_the_papers_sizes():
    module = TextModule(768, 6, 100, 100, 0.3)
    assert (module.utterance.in_features, module.utterance.out_features) == (768, 100)
    gru = module.dialogue.gru
    assert (gru.input_size, gru.hidden_size) == (100, 100)
    assert (gru.bidirectional, gru.num_layers) == (True, 1)
    assert (module.emotions.in_features, module.emotions.out_features) == (200, 6)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("n_classes", [6, 7])
def test_every_system_gives_a_logit_per_class(name, n_classes):
    dims = {key: DIMS[key] for key in SYSTEMS[name].inputs}
    network = SYSTEMS[name].build(dims, n_classes, **NETWORKS[name])
    inputs = {"speech": torch.randn(3, 40, 80), "text": torch.randn(3, 1, 768)}
    masks = {"speech": torch.ones(3, 40, dtype=bool), "text": torch.ones(3, 1, dtype=bool)}
    batch = Batch(inputs, masks, torch.zeros(3), torch.arange(3), torch.tensor([[0, 2], [1, -1]]))
    assert network(batch).shape == (3, n_classes)
    if SYSTEMS[name].attention:
        weights = network.attention(batch)
        assert weights.shape == (3, 2) == (3, len(SYSTEMS[name].attention))
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(3))


def test_fusion_and_concatenation_differ_in_the_fusion_alone():
    fusion, concatenation = (
        SYSTEMS[name].build(DIMS, 6, **NETWORKS[name]) for name in ("fusion", "concatenation")
    )
    sizes = [
        {key: value.shape for key, value in network.state_dict().items()}
        for network in (fusion, concatenation)
    ]
    differ = {key for key in sizes[0] if sizes[0][key] != sizes[1].get(key)}
    assert differ == {"fusion.P.weight", "fusion.w.weight", "dense.0.weight"}
    assert sizes[0]["fusion.P.weight"] == (250, 250) and sizes[0]["fusion.w.weight"] == (1, 250)
    assert (sizes[0]["dense.0.weight"], sizes[1]["dense.0.weight"]) == ((100, 250), (100, 500))


# --- equations


def test_equations_1_to_3_on_literal_numbers():
    fusion = AttentionFusion(2)
    fusion.P.weight.data = torch.tensor([[1.0, 0.0], [2.0, -1.0]])
    fusion.w.weight.data = torch.tensor([[0.5, -1.0]])
    F = torch.tensor([[[1.0, 0.0], [0.5, 2.0]]])  # columns: F_s = (1, 0.5), F_t = (0, 2)
    L = np.tanh([[1, 0], [1.5, -2]])  # equation 1
    scores = 0.5 * L[0] - L[1]
    v = np.exp(scores) / np.exp(scores).sum()  # equation 2
    fused, weights = fusion(F)
    np.testing.assert_allclose(weights.detach(), [v], rtol=1e-6)
    M_f = [[v[0] * 1, v[0] * 0.5 + v[1] * 2]]  # equation 3
    np.testing.assert_allclose(fused.detach(), M_f, rtol=1e-6)
    assert weights[0, 1] > weights[0, 0]


def test_the_fusion_of_equal_modalities_is_either_of_them():
    fusion, modality = AttentionFusion(5), torch.randn(3, 5)
    fused, weights = fusion(torch.stack([modality, modality], dim=2))
    torch.testing.assert_close(weights, torch.full((3, 2), 0.5))
    torch.testing.assert_close(fused, modality)


# --- padding and the order of dialogues


def test_frame_norm_is_batch_normalisation_without_padding():
    values = torch.randn(2, 3, 5, 4)  # (B, C, T, bands)
    mask = torch.tensor([[True] * 5, [True] * 2 + [False] * 3])
    normed = FrameNorm(3)(values, mask)
    content = torch.cat([values[0], values[1, :, :2]], dim=1)[None]  # (1, C, 7, bands)
    expected = nn.BatchNorm2d(3)(content)[0]
    torch.testing.assert_close(normed[0], expected[:, :5])
    torch.testing.assert_close(normed[1, :, :2], expected[:, 5:])
    assert (normed[1, :, 2:] == 0).all()


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("name", NETWORKS)
def test_padding_never_changes_a_logit(name, mode):
    network = built(name).train(mode == "train")
    batch = ALL.batch(np.arange(3))
    inputs, masks = dict(batch.inputs), dict(batch.masks)
    inputs["speech"] = torch.cat([inputs["speech"], torch.zeros(8, 9, 12)], dim=1)
    masks["speech"] = torch.cat([masks["speech"], torch.zeros(8, 9, dtype=bool)], dim=1)
    dialogues = torch.cat([batch.dialogues, torch.full((3, 2), -1)], dim=1)
    wider = Batch(inputs, masks, batch.labels, batch.index, dialogues)
    torch.testing.assert_close(network(wider), network(batch), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_other_dialogues_of_a_batch_never_change_a_logit(name):
    network = built(name).eval()
    whole = ALL.batch(np.arange(3))
    together = network(whole)
    row_of = {int(index): row for row, index in enumerate(whole.index)}
    for units in ([2, 0, 1], [1], [0, 2]):
        batch = ALL.batch(np.array(units))
        expected = together[[row_of[int(index)] for index in batch.index]]
        torch.testing.assert_close(network(batch), expected, rtol=1e-4, atol=1e-5)


def test_rows_of_a_dialogue_may_be_anywhere_in_a_batch():
    torch.manual_seed(0)
    gru, utterances = DialogueGru(3, 4), torch.randn(6, 3)
    dialogues = torch.tensor([[4, 0, 2], [5, 1, -1], [3, -1, -1]])
    outputs = gru(utterances, dialogues)
    for dialogue in ([4, 0, 2], [5, 1], [3]):
        states, _ = gru.gru(utterances[dialogue][None])
        torch.testing.assert_close(outputs[dialogue], states[0])


def test_an_utterance_depends_on_its_dialogue_alone():
    network = built("text").eval()
    batch = ALL.batch(np.arange(3))
    before = network(batch)
    batch.inputs["text"][0] += 1  # utterance 3, the first of dialogue 0
    changed = (network(batch) - before).abs().amax(dim=1) > 1e-6
    assert batch.index[changed].tolist() == DIALOGUES[0]


def test_a_spectrogram_of_one_frame_has_features():
    module = SpeechModule(12, **SMALL_SPEECH).eval()
    assert module(torch.randn(1, 1, 12), torch.ones(1, 1, dtype=bool)).isfinite().all()


def test_tokens_of_bert_are_averaged_to_its_mean_vector():
    network = built("text").eval()
    batch = ALL.batch(np.arange(3))
    tokens = torch.stack([batch.inputs["text"][:, 0] + shift for shift in (-1.0, 1.0, 0.0)], dim=1)
    mask = torch.tensor([[True, True, False]] * 8)
    tokens = tokens * mask[..., None]
    many = Batch({"text": tokens}, {"text": mask}, batch.labels, batch.index, batch.dialogues)
    torch.testing.assert_close(network(many), network(batch))
