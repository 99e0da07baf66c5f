"""CLIP features equal plain transformers; probabilities serve every set of classes."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from support.tiny_checkpoint import save_tiny_bert
from support.tiny_vision import DIM, SIZE, blurred_noise, save_tiny_clip
from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

from merflow.errors import CheckpointError, ParamsError
from merflow.features.vision import clip
from merflow.params import ClipParams

EMBEDDINGS = ClipParams(output="embeddings", frame="crop")  # as CLIP's own image processor
PROMPTS = {
    "joy": "a photo of a happy person",
    "anger": "angry",
    "neutral": "a photo of a person with a neutral face",
}
PROBABILITIES = ClipParams(output="probabilities", frame="crop", prompts=PROMPTS)
UTTERANCES = [blurred_noise(3, 64, 90), blurred_noise(1, 40, 40, 1), blurred_noise(6, 90, 64, 2)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return save_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def transformers_clip(tiny):
    images, texts = CLIPImageProcessorPil.from_pretrained(tiny), AutoTokenizer.from_pretrained(tiny)
    return CLIPProcessor(images, texts), CLIPModel.from_pretrained(tiny).eval()


def extract(params, checkpoint, utterances=UTTERANCES):
    return list(clip.extract([utterances], params, checkpoint))


def encode_alone(processor, model, frame):
    """Encode one frame by plain transformers, with all prompts in one padded batch."""
    prompts = list(PROMPTS.values())
    with torch.no_grad():
        batch = processor(text=prompts, images=frame, padding=True, return_tensors="pt")
        embedding = model.get_image_features(batch["pixel_values"]).pooler_output[0]
        probabilities = model(**batch).logits_per_image.softmax(dim=1)[0]
    return embedding.numpy(), probabilities.numpy()


@pytest.mark.parametrize("batch", [2, 16])
def test_rows_equal_plain_transformers_in_order(tiny, transformers_clip, batch, monkeypatch):
    monkeypatch.setattr(clip, "BATCH", batch)
    embeddings = list(clip.extract([UTTERANCES[:2], UTTERANCES[2:]], EMBEDDINGS, tiny))
    probabilities = extract(PROBABILITIES, tiny)
    assert [rows.shape for rows in embeddings] == [(3, DIM), (1, DIM), (6, DIM)]
    assert [rows.shape for rows in probabilities] == [(3, 3), (1, 3), (6, 3)]
    assert all(rows.dtype == np.float32 for rows in embeddings + probabilities)
    embeddings, probabilities = np.concatenate(embeddings), np.concatenate(probabilities)
    frames = [frame for utterance in UTTERANCES for frame in utterance]
    for number, frame in enumerate(frames):
        embedding, frame_probabilities = encode_alone(*transformers_clip, frame)
        np.testing.assert_allclose(embeddings[number], embedding, atol=1e-4)
        np.testing.assert_allclose(probabilities[number], frame_probabilities, atol=1e-4)
    assert embeddings.std(axis=0).min() > 1e-3  # frames differ


def test_a_squashed_frame_keeps_what_a_crop_loses(tiny, transformers_clip):
    """The margin of a frame of 16:9 changes the features only if the frame is squashed."""
    wide = blurred_noise(1, 36, 64)
    margin = wide.copy()
    margin[:, :, :6] = margin[:, :, -6:] = 255
    for frame, differs in (("squash", True), ("crop", False)):
        params = ClipParams(output="embeddings", frame=frame)
        plain, changed = extract(params, tiny, [wide, margin])
        assert (np.abs(plain - changed).max() > 1e-3) == differs
    processor, model = transformers_clip
    square = np.asarray(Image.fromarray(wide[0]).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    squashed, _ = encode_alone(processor, model, square)
    params = ClipParams(output="embeddings", frame="squash")
    np.testing.assert_allclose(extract(params, tiny, [wide])[0][0], squashed, atol=1e-4)


def test_columns_are_the_emotions_and_rows_sum_to_one(tiny):
    assert clip.columns(PROBABILITIES, tiny) == ["joy", "anger", "neutral"]
    assert clip.columns(EMBEDDINGS, tiny) is None
    rows = np.concatenate(extract(PROBABILITIES, tiny))
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-6)


def test_probabilities_of_fewer_classes_are_normalised_columns(tiny):
    prompts = {emotion: PROMPTS[emotion] for emotion in ("joy", "neutral")}
    fewer = ClipParams(output="probabilities", frame="crop", prompts=prompts)
    columns = np.concatenate(extract(PROBABILITIES, tiny))[:, [0, 2]]
    expected = np.concatenate(extract(fewer, tiny))
    normalised = columns / columns.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(normalised, expected, atol=1e-6)


def test_prompts_are_embedded_once(tiny, monkeypatch):
    calls, embed = [], CLIPModel.get_text_features

    def count_and_embed(*args, **kwargs):
        calls.append(1)
        return embed(*args, **kwargs)

    monkeypatch.setattr(CLIPModel, "get_text_features", count_and_embed)
    list(clip.extract([UTTERANCES] * 3, PROBABILITIES, tiny))
    assert len(calls) == len(PROMPTS)


def test_a_prompt_that_is_too_long_is_one_line(tiny):
    params = ClipParams(output="probabilities", prompts={"joy": "happy " * 20})
    with pytest.raises(ParamsError, match=r"prompts\.joy: 22 tokens, CLIP takes 12"):
        extract(params, tiny)


def test_another_model_is_one_line(tmp_path):
    with pytest.raises(CheckpointError, match="bert: a model of type bert, expected clip;"):
        extract(EMBEDDINGS, save_tiny_bert(tmp_path / "bert"))
    with pytest.raises(CheckpointError, match=r"nothing: config\.json cannot be read"):
        extract(EMBEDDINGS, tmp_path / "nothing")


def test_a_model_without_its_image_processor_is_one_line(tiny, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "alone")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match="alone: holds no image processor") as caught:
        extract(EMBEDDINGS, folder)
    assert "\n" not in str(caught.value)


def test_an_image_processor_of_another_size_is_one_line(tiny, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "other")
    path = folder / "preprocessor_config.json"
    config = json.loads(path.read_text()) | {"crop_size": {"height": 48, "width": 48}}
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="makes images of 48 x 48, the model takes 32 x 32"):
        extract(EMBEDDINGS, folder)
