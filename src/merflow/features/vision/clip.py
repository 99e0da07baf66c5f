"""CLIP of every picture: its embedding, or how well each emotion's prompt describes it.

weighted_late_fusion section C: zero-shot ``openai/clip-vit-large-patch14`` on every 10th frame, one prompt per emotion; the
probability of a class is summed over the frames of a clip. The sum is the paper's step, here stand the rows that it sums.

The probabilities of a picture are a softmax over all prompts. For a corpus that labels a part of the emotions, the rows of that
part divided by their sum are exactly the softmax over that part's prompts, so one store serves every set of classes.
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
from merflow.features.sources import Pictures
from merflow.features.text.tokens import Tokenizer
from merflow.features.vision.frozen import Processor, encode, require
from merflow.params import ClipParams

SOURCE = Pictures
PARAMS = ClipParams
LIBRARIES = ("torch", "transformers", "tokenizers", "pillow")
USES_GPU = True

BATCH = 16  # pictures; from 4 to 16 the speed is about the same on one core


def extract(
    blocks: Iterable[Sequence[np.ndarray]], params: ClipParams, checkpoint: Path
) -> Iterator[np.ndarray | Flagged]:
    """(n_pictures, dim) of the pictures of each utterance.

    ``embeddings``: in CLIP's common space of pictures and texts, dim is its projection_dim. Not divided by their length: a paper
    that compares by cosine does that itself, the others lose nothing.
    ``probabilities``: dim is the number of prompts, each row sums to 1.

    Args:
        blocks: utterances, each uint8 RGB (n_pictures, height, width, 3).
        params: what is put out, and the prompt of each emotion.
        checkpoint: folder of the CLIP model, with tokenizer and image processor.

    Yields:
        float32, in the order of the utterances.

    Raises:
        CheckpointError: the checkpoint is no CLIP model with what belongs to it.
        ParamsError: a prompt is longer than the model takes.
    """
    require(checkpoint, "clip")
    model = load(CLIPModel, checkpoint, optional=())
    processor = Processor(checkpoint, model.config.vision_config.image_size)

    def embed(pixels: torch.Tensor) -> torch.Tensor:
        return model.get_image_features(pixel_values=pixels.to(model.device)).pooler_output

    if not params.prompts:
        yield from encode(blocks, processor, embed, BATCH)
        return
    prompts = _embed_prompts(model, Tokenizer(checkpoint), params.prompts)
    scale = model.logit_scale.exp()
    yield from encode(
        blocks,
        processor,
        lambda pixels: (scale * normalize(embed(pixels)) @ prompts.T).softmax(dim=-1),
        BATCH,
    )


def columns(params: ClipParams, checkpoint: Path | None) -> list[str] | None:
    """The emotions of the prompts, in their order; dimensions of an embedding have no names."""
    return list(params.prompts) if params.prompts else None


@torch.inference_mode()
def _embed_prompts(model: CLIPModel, tokenizer: Tokenizer, prompts: dict[str, str]) -> torch.Tensor:
    """(n_prompts, projection_dim) of length 1; once for all pictures, each prompt alone, so that no padding matters."""
    longest = model.config.text_config.max_position_embeddings
    tokens, lengths = tokenizer(list(prompts.values()), longest)
    for emotion, length in zip(prompts, lengths, strict=True):
        if length > longest:
            raise ParamsError(
                f"prompts: that of {emotion} has {length} tokens, CLIP takes {longest}; shorten it"
            )
    rows = [
        model.get_text_features(
            input_ids=torch.from_numpy(ids)[None].to(model.device)
        ).pooler_output
        for ids in tokens
    ]
    return normalize(torch.cat(rows))
