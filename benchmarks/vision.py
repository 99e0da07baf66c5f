"""Pictures per second of the vision features against a plain loop, in one run.

The plain loop takes one picture at a time: processor and model, or the face cascade alone. CLIP (ViT-B/32) and Swin-T have their real
shape and random weights. Loading is left out. The two take turns, so that other load on the machine meets both.

    OMP_NUM_THREADS=1 python benchmarks/vision.py --pictures 16
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from cv2.data import haarcascades
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoTokenizer,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPProcessor,
    PreTrainedTokenizerFast,
    SwinConfig,
    SwinModel,
    ViTImageProcessorPil,
)

from merflow.corpora.demo.cast import person
from merflow.corpora.demo.expression import EXPRESSIONS
from merflow.corpora.demo.face import Portrait
from merflow.features.vision import clip, face, swin
from merflow.params import ClipParams, FaceParams, SwinParams

EACH = 8  # pictures of an utterance
PROMPTS = {
    name: f"a photo of a person with a face of {name}"
    for name in ("neutral", "joy", "surprise", "anger", "sadness", "disgust", "fear")
}


def save_clip(folder: Path) -> Path:
    words = sorted({word for prompt in PROMPTS.values() for word in prompt.split()})
    tokenizer = Tokenizer(
        models.WordLevel(
            {word: i for i, word in enumerate(("[BOS]", "[EOS]", *words))}, unk_token="[EOS]"
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[BOS] $A [EOS]", special_tokens=[("[BOS]", 0), ("[EOS]", 1)]
    )
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[EOS]").save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)
    text = {"eos_token_id": 1, "bos_token_id": 0, "pad_token_id": 1}
    CLIPModel(CLIPConfig(text_config=text, vision_config={"patch_size": 32})).save_pretrained(
        folder
    )
    return folder


def save_swin(folder: Path) -> Path:
    ViTImageProcessorPil().save_pretrained(folder)
    SwinModel(SwinConfig()).save_pretrained(folder)  # its defaults are Swin-T
    return folder


def portraits(n_pictures: int) -> list[np.ndarray]:
    """Drawn faces with some grain, 455 x 256."""
    rng = np.random.default_rng(0)
    shown = list(EXPRESSIONS.values())
    drawn = [
        Portrait(person("benchmark", str(i)), None, 213).draw(
            shown[i % len(shown)], rng.random(), blink=False
        )
        for i in range(n_pictures)
    ]
    large = [cv2.resize(picture, (455, 256), interpolation=cv2.INTER_CUBIC) for picture in drawn]
    grainy = [
        np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)
        for picture in large
    ]
    return [np.stack(grainy[at : at + EACH]) for at in range(0, n_pictures, EACH)]


def steady(
    extract: Callable[..., Iterator],
    params: object,
    folder: Path | None,
    utterances: list[np.ndarray],
) -> float:
    """Seconds from the moment that the extractor asks for pictures: its model is loaded then."""
    asked = []

    def blocks() -> Iterator[list[np.ndarray]]:
        asked.append(time.perf_counter())
        yield utterances

    for _ in extract(blocks(), params, folder):
        pass
    return time.perf_counter() - asked[0]


def each(work: Callable[[np.ndarray], object], utterances: list[np.ndarray]) -> float:
    start = time.perf_counter()
    with torch.no_grad():
        for picture in np.concatenate(utterances):
            work(picture)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    utterances = portraits(arguments.pictures)
    with tempfile.TemporaryDirectory() as scratch:
        torch.manual_seed(0)
        clip_folder, swin_folder = (
            save_clip(Path(scratch) / "clip"),
            save_swin(Path(scratch) / "swin"),
        )
        clip_model, swin_model = (
            CLIPModel.from_pretrained(clip_folder).eval(),
            SwinModel.from_pretrained(swin_folder).eval(),
        )
        pixels, squares = (
            CLIPImageProcessorPil.from_pretrained(clip_folder),
            ViTImageProcessorPil.from_pretrained(swin_folder),
        )
        both = CLIPProcessor(pixels, AutoTokenizer.from_pretrained(clip_folder))
        cascade = cv2.CascadeClassifier(
            str(Path(haarcascades) / "haarcascade_frontalface_alt2.xml")
        )

        def zero_shot(picture: np.ndarray) -> torch.Tensor:
            inputs = both(
                text=list(PROMPTS.values()), images=picture, padding=True, return_tensors="pt"
            )
            return clip_model(**inputs).logits_per_image.softmax(dim=1)

        ways = {
            "clip embeddings": (
                lambda: steady(
                    clip.extract, ClipParams(output="embeddings"), clip_folder, utterances
                ),
                lambda: each(
                    lambda picture: clip_model.get_image_features(
                        **pixels(picture, return_tensors="pt")
                    ),
                    utterances,
                ),
            ),
            "clip probabilities": (
                lambda: steady(
                    clip.extract,
                    ClipParams(output="probabilities", prompts=PROMPTS),
                    clip_folder,
                    utterances,
                ),
                lambda: each(zero_shot, utterances),
            ),
            "swin": (
                lambda: steady(swin.extract, SwinParams(batch_size=15), swin_folder, utterances),
                lambda: each(
                    lambda picture: swin_model(**squares(picture, return_tensors="pt")), utterances
                ),
            ),
            "face": (
                lambda: steady(
                    face.extract,
                    FaceParams(min_size=0.1, scale_factor=1.1, min_neighbors=5),
                    None,
                    utterances,
                ),
                lambda: each(
                    lambda picture: cascade.detectMultiScale(
                        cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 1.1, 5
                    ),
                    utterances,
                ),
            ),
        }
        print(
            f"{'pictures per second':20} {'merflow':>8} {'plain':>8} {'ratio':>6}   of each round; {torch.get_num_threads()} threads"
        )
        for name, (ours, plain) in ways.items():
            times = [(ours(), plain()) for _ in range(arguments.rounds)]
            rates = [arguments.pictures / median(column) for column in zip(*times, strict=True)]
            ratios = [slow / fast for fast, slow in times]
            print(
                f"{name:20} {rates[0]:8.1f} {rates[1]:8.1f} {median(ratios):6.2f}   {', '.join(f'{ratio:.2f}' for ratio in ratios)}"
            )


if __name__ == "__main__":
    main()
