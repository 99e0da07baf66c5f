import json
import shutil

import numpy as np
import pytest
import torch
from support.tiny_checkpoint import save_tiny_bert
from support.tiny_vision import DIM, blurred_noise, save_tiny_clip
from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

from merflow.errors import CheckpointError, ParamsError
from merflow.features.vision import clip
from merflow.params import ClipParams

EMBEDDINGS = ClipParams(output="embeddings")
PROMPTS = {
    "joy": "a photo of a happy person",
    "anger": "angry",
    "neutral": "a photo of a person with a neutral face",
}
PROBABILITIES = ClipParams(output="probabilities", prompts=PROMPTS)
UTTERANCES = [blurred_noise(3, 64, 90), blurred_noise(1, 40, 40, 1), blurred_noise(6, 90, 64, 2)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return save_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def transformers_clip(tiny):
    processor = CLIPProcessor(
        CLIPImageProcessorPil.from_pretrained(tiny), AutoTokenizer.from_pretrained(tiny)
    )
    return processor, CLIPModel.from_pretrained(tiny).eval()


def plain(processor, model, picture, prompts):
    """One picture through transformers, with all prompts in one padded batch."""
    with torch.no_grad():
        inputs = processor(text=prompts, images=picture, padding=True, return_tensors="pt")
        embedding = model.get_image_features(inputs["pixel_values"]).pooler_output
        return embedding[0].numpy(), model(**inputs).logits_per_image.softmax(dim=1)[0].numpy()


@pytest.mark.parametrize("batch", [2, 16])
def test_rows_are_those_of_plain_transformers_in_the_order_of_pictures(
    tiny, transformers_clip, batch, monkeypatch
):
    monkeypatch.setattr(clip, "BATCH", batch)
    embeddings = list(clip.extract([UTTERANCES[:2], UTTERANCES[2:]], EMBEDDINGS, tiny))
    probabilities = list(clip.extract([UTTERANCES], PROBABILITIES, tiny))
    assert [rows.shape for rows in embeddings] == [(3, DIM), (1, DIM), (6, DIM)]
    assert [rows.shape for rows in probabilities] == [(3, 3), (1, 3), (6, 3)]
    for pictures, embedded, probable in zip(UTTERANCES, embeddings, probabilities, strict=True):
        assert embedded.dtype == probable.dtype == np.float32
        for picture, row, shares in zip(pictures, embedded, probable, strict=True):
            expected, expected_shares = plain(*transformers_clip, picture, list(PROMPTS.values()))
            np.testing.assert_allclose(row, expected, atol=1e-4)
            np.testing.assert_allclose(shares, expected_shares, atol=1e-4)
    assert np.concatenate(embeddings).std(axis=0).min() > 1e-3  # pictures differ


def test_columns_are_the_emotions_and_rows_sum_to_one(tiny):
    assert clip.columns(PROBABILITIES, tiny) == ["joy", "anger", "neutral"]
    assert clip.columns(EMBEDDINGS, tiny) is None
    rows = np.concatenate(list(clip.extract([UTTERANCES], PROBABILITIES, tiny)))
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-6)


def test_fewer_classes_are_the_same_rows_divided_by_their_sum(tiny):
    fewer = ClipParams(
        output="probabilities", prompts={name: PROMPTS[name] for name in ("joy", "neutral")}
    )
    part = np.concatenate(list(clip.extract([UTTERANCES], PROBABILITIES, tiny)))[:, [0, 2]]
    alone = np.concatenate(list(clip.extract([UTTERANCES], fewer, tiny)))
    np.testing.assert_allclose(part / part.sum(axis=1, keepdims=True), alone, atol=1e-6)


def test_prompts_are_embedded_once(tiny, monkeypatch):
    calls = []
    embed = CLIPModel.get_text_features
    monkeypatch.setattr(
        CLIPModel,
        "get_text_features",
        lambda *args, **kwargs: calls.append(1) or embed(*args, **kwargs),
    )
    list(clip.extract([UTTERANCES] * 3, PROBABILITIES, tiny))
    assert len(calls) == len(PROMPTS)


def test_a_prompt_that_clip_would_cut_is_one_line(tiny):
    long = ClipParams(output="probabilities", prompts={"joy": "happy " * 20})
    with pytest.raises(ParamsError, match="that of joy has 22 tokens, CLIP takes 12"):
        next(clip.extract([UTTERANCES], long, tiny))


def test_another_model_or_one_without_what_belongs_to_it_is_one_line(tiny, tmp_path):
    with pytest.raises(CheckpointError, match="bert: a model of type bert, expected clip;"):
        next(clip.extract([UTTERANCES], EMBEDDINGS, save_tiny_bert(tmp_path / "bert")))
    with pytest.raises(CheckpointError, match=r"nothing: config\.json cannot be read"):
        next(clip.extract([UTTERANCES], EMBEDDINGS, tmp_path / "nothing"))
    alone = shutil.copytree(tiny, tmp_path / "alone")
    (alone / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match="alone: holds no image processor") as caught:
        next(clip.extract([UTTERANCES], EMBEDDINGS, alone))
    assert "\n" not in str(caught.value)
    other = shutil.copytree(tiny, tmp_path / "other")
    settings = json.loads((other / "preprocessor_config.json").read_text())
    (other / "preprocessor_config.json").write_text(
        json.dumps(settings | {"crop_size": {"height": 48, "width": 48}})
    )
    with pytest.raises(CheckpointError, match="makes pictures of 48 x 48, the model takes 32 x 32"):
        next(clip.extract([UTTERANCES], EMBEDDINGS, other))
