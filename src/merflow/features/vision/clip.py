"""CLIP embeddings of frames, or zero-shot probabilities of one prompt per emotion.

weighted_late_fusion section C applies ``openai/clip-vit-large-patch14`` zero-shot to every 10th
frame, and sums the probability of each class over the frames of a clip. The rows here are the
summands; the sum is a step of the paper.

The probabilities of a frame are a softmax over all prompts. Where a corpus has only some of the
emotions, their columns divided by their sum equal the softmax over their prompts alone. One store
therefore serves every set of classes.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize
from transformers import CLIPModel

from merflow.errors import ParamsError
from merflow.features.extractor import Flagged
from merflow.features.pretrained import load
from merflow.features.sources import FrameSource
from merflow.features.text.tokens import Tokenizer
from merflow.features.vision.frozen import ImageProcessor, encode_frames, require_model_type
from merflow.params import ClipParams

SOURCE = FrameSource
PARAMS = ClipParams
LIBRARIES = ("torch", "transformers", "tokenizers", "pillow")
USES_GPU = True

BATCH = 16  # frames; from 4 to 16 the speed is about the same on one core


def extract(
    blocks: Iterable[Sequence[np.ndarray]], params: ClipParams, checkpoint: Path
) -> Iterator[np.ndarray | Flagged]:
    """Yield (n_frames, dim) of each utterance.

    ``embeddings`` lie in CLIP's common space of images and texts; dim is its projection_dim. They
    are not normalised: a paper that compares by cosine does this itself.
    ``probabilities`` have one column per prompt, and each row sums to 1.

    Args:
        blocks: utterances, each uint8 RGB (n_frames, height, width, 3).
        params: kind of output, shape of a frame, and the prompt of each emotion.
        checkpoint: folder of the CLIP model, with tokenizer and image processor.

    Yields:
        float32, in the order of the utterances.

    Raises:
        CheckpointError: the checkpoint is not a CLIP model with tokenizer and image processor.
        ParamsError: a prompt is longer than the model takes.
    """
    require_model_type(checkpoint, "clip")
    model = load(CLIPModel, checkpoint, optional=())
    processor = ImageProcessor(checkpoint, model.config.vision_config.image_size, params.frame)

    def embed(pixels: torch.Tensor) -> torch.Tensor:
        return model.get_image_features(pixel_values=pixels.to(model.device)).pooler_output

    if not params.prompts:
        yield from encode_frames(blocks, processor, embed, BATCH)
        return
    prompts = _embed_prompts(model, Tokenizer(checkpoint), params.prompts)
    scale = model.logit_scale.exp()

    def classify(pixels: torch.Tensor) -> torch.Tensor:
        return (scale * normalize(embed(pixels)) @ prompts.T).softmax(dim=-1)

    yield from encode_frames(blocks, processor, classify, BATCH)


def columns(params: ClipParams, checkpoint: Path | None) -> list[str] | None:
    """Name the probabilities by emotion; dimensions of an embedding have no names."""
    return list(params.prompts) if params.prompts else None


@torch.inference_mode()
def _embed_prompts(model: CLIPModel, tokenizer: Tokenizer, prompts: dict[str, str]) -> torch.Tensor:
    """Embed the prompts as unit vectors (n_prompts, projection_dim).

    Each prompt is computed alone, so that padding has no effect.
    """
    longest = model.config.text_config.max_position_embeddings
    tokens, lengths = tokenizer(list(prompts.values()), longest)
    for emotion, length in zip(prompts, lengths, strict=True):
        if length > longest:
            raise ParamsError(
                f"prompts.{emotion}: {length} tokens, CLIP takes {longest}; shorten the prompt"
            )
    rows = []
    for ids in tokens:
        batch = torch.from_numpy(ids)[None].to(model.device)
        rows.append(model.get_text_features(input_ids=batch).pooler_output)
    return normalize(torch.cat(rows))
