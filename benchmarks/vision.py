"""Frames per second of the vision features against a plain loop.

The plain loop takes one frame at a time: processor and model, or the face cascade alone. CLIP
(ViT-B/32) and Swin-T have their real shape and random weights. Loading is left out. The two take
turns, so that other load on the machine meets both.

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

EACH = 8  # frames of an utterance
PROMPTS = {
    name: f"a photo of a person with a face of {name}"
    for name in ("neutral", "joy", "surprise", "anger", "sadness", "disgust", "fear")
}


def save_clip(folder: Path) -> Path:
    words = sorted({word for prompt in PROMPTS.values() for word in prompt.split()})
    ids = {word: i for i, word in enumerate(("[BOS]", "[EOS]", *words))}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[EOS]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[BOS] $A [EOS]", special_tokens=[("[BOS]", 0), ("[EOS]", 1)]
    )
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[EOS]").save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)
    text = {"eos_token_id": 1, "bos_token_id": 0, "pad_token_id": 1}
    config = CLIPConfig(text_config=text, vision_config={"patch_size": 32})
    CLIPModel(config).save_pretrained(folder)
    return folder


def save_swin(folder: Path) -> Path:
    ViTImageProcessorPil().save_pretrained(folder)
    SwinModel(SwinConfig()).save_pretrained(folder)  # its defaults are Swin-T
    return folder


def portraits(n_frames: int) -> list[np.ndarray]:
    """Drawn faces with some grain, 455 x 256, of utterances of EACH frames."""
    rng = np.random.default_rng(0)
    expressions = list(EXPRESSIONS.values())
    frames = []
    for i in range(n_frames):
        portrait = Portrait(person("benchmark", str(i)), None, 213)
        face = portrait.draw(expressions[i % len(expressions)], rng.random(), blink=False)
        frames.append(cv2.resize(face, (455, 256), interpolation=cv2.INTER_CUBIC))
    grainy = [
        np.clip(frame + rng.normal(0, 4, frame.shape), 0, 255).astype(np.uint8) for frame in frames
    ]
    return [np.stack(grainy[start : start + EACH]) for start in range(0, n_frames, EACH)]


def steady(
    extract: Callable[..., Iterator],
    params: object,
    folder: Path | None,
    utterances: list[np.ndarray],
) -> float:
    """Seconds from the first block that the extractor takes: its model is loaded then."""
    starts = []

    def blocks() -> Iterator[list[np.ndarray]]:
        starts.append(time.perf_counter())
        yield utterances

    for _ in extract(blocks(), params, folder):
        pass
    return time.perf_counter() - starts[0]


def each(work: Callable[[np.ndarray], object], utterances: list[np.ndarray]) -> float:
    start = time.perf_counter()
    with torch.no_grad():
        for frame in np.concatenate(utterances):
            work(frame)
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
        clips = save_clip(Path(scratch) / "clip")
        swins = save_swin(Path(scratch) / "swin")
        clip_model = CLIPModel.from_pretrained(clips).eval()
        swin_model = SwinModel.from_pretrained(swins).eval()
        clip_pixels = CLIPImageProcessorPil.from_pretrained(clips)
        swin_pixels = ViTImageProcessorPil.from_pretrained(swins)
        clip_inputs = CLIPProcessor(clip_pixels, AutoTokenizer.from_pretrained(clips))
        cascade_file = Path(haarcascades) / "haarcascade_frontalface_alt2.xml"
        cascade = cv2.CascadeClassifier(str(cascade_file))
        prompts = {"text": list(PROMPTS.values()), "padding": True, "return_tensors": "pt"}

        def embed(frame: np.ndarray) -> object:
            return clip_model.get_image_features(**clip_pixels(frame, return_tensors="pt"))

        def classify(frame: np.ndarray) -> object:
            inputs = clip_inputs(images=frame, **prompts)
            return clip_model(**inputs).logits_per_image.softmax(dim=1)

        def encode(frame: np.ndarray) -> object:
            return swin_model(**swin_pixels(frame, return_tensors="pt"))

        def detect(frame: np.ndarray) -> object:
            return cascade.detectMultiScale(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), 1.1, 5)

        embeddings = ClipParams(output="embeddings")
        probabilities = ClipParams(output="probabilities", prompts=PROMPTS)
        faces = FaceParams(min_size=0.1, scale_factor=1.1, min_neighbors=5)
        ways = {
            "clip embeddings": (clip.extract, embeddings, clips, embed),
            "clip probabilities": (clip.extract, probabilities, clips, classify),
            "swin": (swin.extract, SwinParams(batch_size=15), swins, encode),
            "face": (face.extract, faces, None, detect),
        }
        head = f"{'frames per second':20} {'merflow':>8} {'plain':>8} {'ratio':>6}"
        print(f"{head}   of each round; {torch.get_num_threads()} threads")
        for name, (extract, params, folder, plain) in ways.items():
            times = [
                (steady(extract, params, folder, utterances), each(plain, utterances))
                for _ in range(arguments.rounds)
            ]
            rates = [arguments.pictures / median(column) for column in zip(*times, strict=True)]
            ratios = [slow / fast for fast, slow in times]
            listed = ", ".join(f"{ratio:.2f}" for ratio in ratios)
            print(f"{name:20} {rates[0]:8.1f} {rates[1]:8.1f} {median(ratios):6.2f}   {listed}")


if __name__ == "__main__":
    main()
