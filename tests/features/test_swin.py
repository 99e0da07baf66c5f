"""Swin features equal plain transformers, for Swin, its classifier and Swin V2."""

import numpy as np
import pytest
import torch
from support.tiny_checkpoint import save_tiny_bert
from support.tiny_vision import DIM, SIZE, blurred_noise, save_tiny_clip, save_tiny_swin
from transformers import (
    SwinForImageClassification,
    SwinModel,
    Swinv2Config,
    Swinv2Model,
    ViTImageProcessorPil,
)

from merflow.errors import CheckpointError
from merflow.features.vision import swin
from merflow.params import SwinParams

UTTERANCES = [blurred_noise(3, 64, 90), blurred_noise(1, 40, 40, 1), blurred_noise(6, 90, 64, 2)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return save_tiny_swin(tmp_path_factory.mktemp("swin"))


def encode_alone(model, processor, frame):
    with torch.no_grad():
        return model(**processor(images=frame, return_tensors="pt")).pooler_output[0].numpy()


@pytest.mark.parametrize("batch_size", [1, 4, 15])
def test_rows_equal_plain_transformers_in_order(tiny, batch_size):
    params = SwinParams(batch_size=batch_size)
    results = list(swin.extract([UTTERANCES[:2], UTTERANCES[2:]], params, tiny))
    assert [values.shape for values in results] == [(3, DIM), (1, DIM), (6, DIM)]
    model = SwinModel.from_pretrained(tiny).eval()
    processor = ViTImageProcessorPil.from_pretrained(tiny)
    for frames, values in zip(UTTERANCES, results, strict=True):
        assert values.dtype == np.float32
        for frame, row in zip(frames, values, strict=True):
            np.testing.assert_allclose(row, encode_alone(model, processor, frame), atol=1e-4)
    assert np.concatenate(results).std(axis=0).min() > 1e-3  # frames differ
    assert swin.columns(params, tiny) is None


def test_a_crop_is_the_centre_of_a_frame(tiny):
    wide = blurred_noise(1, 36, 64)
    crop = SwinParams(batch_size=4, frame="crop")
    processor = ViTImageProcessorPil.from_pretrained(
        tiny,
        size={"shortest_edge": SIZE},
        do_center_crop=True,
        crop_size={"height": SIZE, "width": SIZE},
    )
    expected = encode_alone(SwinModel.from_pretrained(tiny).eval(), processor, wide[0])
    (rows,) = swin.extract([[wide]], crop, tiny)
    np.testing.assert_allclose(rows[0], expected, atol=1e-4)
    (squashed,) = swin.extract([[wide]], SwinParams(batch_size=4, frame="squash"), tiny)
    assert np.abs(squashed[0] - rows[0]).max() > 1e-3


@pytest.mark.parametrize("kind", ["classifier", "v2"])
def test_the_body_of_a_classifier_and_swin_v2_load(kind, tiny, tmp_path):
    processor = ViTImageProcessorPil(size={"height": SIZE, "width": SIZE})
    processor.save_pretrained(tmp_path)
    torch.manual_seed(1)
    if kind == "classifier":
        model = SwinForImageClassification(SwinModel.from_pretrained(tiny).config).eval()
        body = model.swin
    else:
        config = Swinv2Config(
            image_size=SIZE, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=4
        )
        model = body = Swinv2Model(config).eval()
    model.save_pretrained(tmp_path)
    (values,) = swin.extract([UTTERANCES[:1]], SwinParams(batch_size=4), tmp_path)
    expected = encode_alone(body, processor, UTTERANCES[0][0])
    np.testing.assert_allclose(values[0], expected, atol=1e-4)


@pytest.mark.parametrize(("save", "kind"), [(save_tiny_clip, "clip"), (save_tiny_bert, "bert")])
def test_another_model_is_one_line(save, kind, tmp_path):
    results = swin.extract([UTTERANCES], SwinParams(batch_size=4), save(tmp_path / kind))
    message = f"{kind}: a model of type {kind}, expected swin or swinv2"
    with pytest.raises(CheckpointError, match=message) as caught:
        next(results)
    assert "\n" not in str(caught.value)
