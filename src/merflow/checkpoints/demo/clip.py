"""A small CLIP: drawn faces and sentences about them, brought together by emotion.

Trained with the contrastive loss of Radford et al. (https://arxiv.org/abs/2103.00020), where pictures and sentences of one
emotion all belong together. The prompts that it was made for are params/paper.yaml's features.clip_emotion.
"""

from pathlib import Path

import numpy as np
import torch
from tokenizers import pre_tokenizers
from torch.nn.functional import cross_entropy
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

from merflow.checkpoints.demo.material import EMOTIONS, faces
from merflow.checkpoints.demo.training import SEED, fit, repeatable
from merflow.progress import log

WORDS = {
    "anger": ("an angry", "a mad", "a furious"),
    "disgust": ("a disgusted",),
    "fear": ("a scared", "a fearful", "an afraid"),
    "joy": ("a happy", "a joyful", "a smiling"),
    "neutral": ("a neutral", "a calm"),
    "sadness": ("a sad", "an unhappy"),
    "surprise": ("a surprised", "an astonished"),
}
FORMS = (
    "a photo of {} person",
    "a photo of a person with {} face",
    "a picture of {} person",
    "a picture of {} face",
    "{} person",
    "{} face",
)
TRAIN, TEST, STEPS, BATCH = 1400, 280, 120, 70
SIZE, PATCH, DIM = 64, 16, 32


def make(name: str, folder: Path) -> None:
    """Save the model with its tokenizer and image processor."""
    sentences = [
        [form.format(word) for word in WORDS[emotion] for form in FORMS] for emotion in EMOTIONS
    ]
    tokenizer = _tokenizer([text for texts in sentences for text in texts])
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}
    )
    (pictures, labels), (unseen, truth) = faces(TRAIN, "train"), faces(TEST, "test")
    pixels = processor(images=pictures, return_tensors="pt")["pixel_values"]
    with repeatable():
        network = CLIPModel(_configuration(tokenizer))
        rng = np.random.default_rng(SEED)

        def loss(chosen: np.ndarray) -> torch.Tensor:
            texts = [str(rng.choice(sentences[label])) for label in labels[chosen]]
            logits = network(
                **tokenizer(texts, padding=True, return_tensors="pt"), pixel_values=pixels[chosen]
            ).logits_per_image
            same = torch.from_numpy((labels[chosen][:, None] == labels[chosen]).astype(np.float32))
            target = same / same.sum(dim=1)
            return (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2

        fit(network, loss, TRAIN, STEPS, BATCH, learning_rate=2e-3)
        prompts = tokenizer([texts[0] for texts in sentences], padding=True, return_tensors="pt")
        with torch.inference_mode():
            logits = network(
                **prompts,
                pixel_values=processor(images=unseen, return_tensors="pt")["pixel_values"],
            ).logits_per_image
    accuracy = float(np.mean(logits.argmax(dim=1).numpy() == truth))
    log.info(
        "demo %s: zero-shot accuracy %.2f on faces of other people, chance %.2f",
        name,
        accuracy,
        1 / len(EMOTIONS),
    )
    for part in (network, tokenizer, processor):
        part.save_pretrained(folder)


def _configuration(tokenizer: CLIPTokenizer) -> CLIPConfig:
    tower = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    text = tower | special | {"vocab_size": len(tokenizer), "max_position_embeddings": 77}
    return CLIPConfig(
        text_config=text,
        vision_config=tower | {"image_size": SIZE, "patch_size": PATCH},
        projection_dim=DIM,
    )


def _tokenizer(texts: list[str]) -> CLIPTokenizer:
    """CLIP's kind of tokenizer: every byte, also as the end of a word, and merges that build the words of `texts` letter by letter.

    Not learnt: the trainer of tokenizers numbers ends of words in another order every time, and breaks ties by these numbers.
    """
    merges: dict[tuple[str, str], None] = {}  # in order, each once
    for word in sorted({word for text in texts for word in text.split()}):
        letters = [*word[:-1], f"{word[-1]}</w>"]
        merges |= dict.fromkeys(
            ("".join(letters[:at]), letters[at]) for at in range(1, len(letters))
        )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [
        *alphabet,
        *(f"{byte}</w>" for byte in alphabet),
        *map("".join, merges),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    return CLIPTokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)},
        merges=list(merges),
        model_max_length=77,
    )
