"""A small CLIP: drawn faces and sentences about them, brought together by emotion.

It is trained with the contrastive loss of Radford et al. (https://arxiv.org/abs/2103.00020), except
that all frames and sentences of an emotion belong together. Its prompts are features.clip_emotion
of params/paper.yaml.
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
#: Captions of each emotion, in the order of EMOTIONS.
CAPTIONS = [
    [form.format(word) for word in WORDS[emotion] for form in FORMS] for emotion in EMOTIONS
]
TRAIN, TEST, STEPS, BATCH = 1400, 280, 120, 70
SIZE, PATCH, DIM = 64, 16, 32


def make(name: str, folder: Path) -> None:
    """Save the model with its tokenizer and image processor."""
    tokenizer = _tokenizer([text for texts in CAPTIONS for text in texts])
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}
    )
    frames, labels = faces(TRAIN, "train")
    test_frames, test_labels = faces(TEST, "test")
    pixels = processor(images=frames, return_tensors="pt")["pixel_values"]
    test_pixels = processor(images=test_frames, return_tensors="pt")["pixel_values"]
    with repeatable():
        network = CLIPModel(_configuration(tokenizer))
        _train(network, tokenizer, pixels, labels)
        prompts = tokenizer([texts[0] for texts in CAPTIONS], padding=True, return_tensors="pt")
        with torch.inference_mode():
            logits = network(**prompts, pixel_values=test_pixels).logits_per_image
    log.info(
        "demo %s: zero-shot accuracy %.2f on faces of other people, chance %.2f",
        name,
        np.mean(logits.argmax(dim=1).numpy() == test_labels),
        1 / len(EMOTIONS),
    )
    for component in (network, tokenizer, processor):
        component.save_pretrained(folder)


def _train(
    network: CLIPModel, tokenizer: CLIPTokenizer, pixels: torch.Tensor, labels: np.ndarray
) -> None:
    """Train on pairs of a frame and a random sentence of its emotion."""
    rng = np.random.default_rng(SEED)

    def loss(chosen: np.ndarray) -> torch.Tensor:
        texts = [str(rng.choice(CAPTIONS[label])) for label in labels[chosen]]
        tokens = tokenizer(texts, padding=True, return_tensors="pt")
        logits = network(**tokens, pixel_values=pixels[chosen]).logits_per_image
        same = torch.from_numpy((labels[chosen][:, None] == labels[chosen]).astype(np.float32))
        target = same / same.sum(dim=1)
        return (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2

    fit(network, loss, TRAIN, STEPS, BATCH, learning_rate=2e-3)


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
    """Build a tokenizer of CLIP's kind without training.

    Its pieces are every byte, every byte at the end of a word, and merges that build the words of
    `texts` letter by letter. The trainer of tokenizers would number ends of words in another order
    every time, and break ties by these numbers.
    """
    merges: dict[tuple[str, str], None] = {}  # in order, each once
    for word in sorted({word for text in texts for word in text.split()}):
        letters = [*word[:-1], f"{word[-1]}</w>"]
        pairs = [("".join(letters[:i]), letters[i]) for i in range(1, len(letters))]
        merges |= dict.fromkeys(pairs)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [
        *alphabet,
        *(f"{byte}</w>" for byte in alphabet),
        *map("".join, merges),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    vocab = {piece: number for number, piece in enumerate(pieces)}
    return CLIPTokenizer(vocab=vocab, merges=list(merges), model_max_length=77)
