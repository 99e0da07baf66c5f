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


def plain(model, processor, picture):
    with torch.no_grad():
        return model(**processor(images=picture, return_tensors="pt")).pooler_output[0].numpy()


@pytest.mark.parametrize("batch_size", [1, 4, 15])
def test_rows_are_those_of_plain_transformers_in_the_order_of_pictures(tiny, batch_size):
    rows = list(
        swin.extract([UTTERANCES[:2], UTTERANCES[2:]], SwinParams(batch_size=batch_size), tiny)
    )
    assert [values.shape for values in rows] == [(3, DIM), (1, DIM), (6, DIM)]
    model, processor = (
        SwinModel.from_pretrained(tiny).eval(),
        ViTImageProcessorPil.from_pretrained(tiny),
    )
    for pictures, values in zip(UTTERANCES, rows, strict=True):
        assert values.dtype == np.float32
        for picture, row in zip(pictures, values, strict=True):
            np.testing.assert_allclose(row, plain(model, processor, picture), atol=1e-4)
    assert np.concatenate(rows).std(axis=0).min() > 1e-3  # pictures differ
    assert swin.columns(SwinParams(batch_size=1), tiny) is None


def test_a_classifier_s_body_and_swin_v2_are_taken(tiny, tmp_path):
    for folder in (tmp_path / "classifier", tmp_path / "v2"):
        ViTImageProcessorPil(size={"height": SIZE, "width": SIZE}).save_pretrained(folder)
    torch.manual_seed(1)
    config = SwinModel.from_pretrained(tiny).config
    classifier = SwinForImageClassification(config).eval()
    classifier.save_pretrained(tmp_path / "classifier")
    second = Swinv2Model(
        Swinv2Config(image_size=SIZE, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=4)
    ).eval()
    second.save_pretrained(tmp_path / "v2")
    for name, model in (("classifier", classifier.swin), ("v2", second)):
        (rows,) = swin.extract([UTTERANCES[:1]], SwinParams(batch_size=4), tmp_path / name)
        expected = plain(
            model, ViTImageProcessorPil.from_pretrained(tmp_path / name), UTTERANCES[0][0]
        )
        np.testing.assert_allclose(rows[0], expected, atol=1e-4)


def test_another_model_is_one_line(tmp_path):
    for save, kind in ((save_tiny_clip, "clip"), (save_tiny_bert, "bert")):
        with pytest.raises(
            CheckpointError, match=f"{kind}: a model of type {kind}, expected swin or swinv2"
        ) as caught:
            next(swin.extract([UTTERANCES], SwinParams(batch_size=4), save(tmp_path / kind)))
        assert "\n" not in str(caught.value)
