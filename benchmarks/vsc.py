"""Forward and backward of one batch of frames through Swin-T, with visual sequence compression against without, in one run.

Swin-T (28 M weights, pictures of 224 x 224, windows of 7) has random weights, or those of `--checkpoint`; what is kept depends on them,
the time only on what is kept. Variants take turns, so that other load on the machine meets all of them; the best of some rounds
counts. Memory is what the forward pass keeps for the backward one: on a GPU the peak of what torch allocates above what was there before,
on a CPU the bytes of the saved tensors. A GPU, where there is one, computes in bf16.

    OMP_NUM_THREADS=1 python benchmarks/vsc.py
"""

import argparse
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from transformers import SwinConfig, SwinModel

from merflow.nn.compression import Compression
from merflow.nn.swin import CompressedSwin, load_swin

MEANING = 512
#: Name -> stages that a compression follows, and what differs from params/paper.yaml.
VARIANTS: dict[str, tuple[list[int], dict]] = {
    "without": ([], {}),
    "threshold, gamma 0.5": ([1, 2, 3], {}),
    "threshold, gamma 1": ([1, 2, 3], {"gamma": 1.0}),
    "after stage 2, gamma 0.5": ([2], {}),
    "top 3/4, no merging": ([1, 2, 3], {"selection": "top_k", "merge": False}),
}


def swin(checkpoint: Path | None) -> SwinModel:
    torch.manual_seed(0)
    return (
        SwinModel(SwinConfig(drop_path_rate=0.0))
        if checkpoint is None
        else load_swin(checkpoint, pretrained=True)
    )


def network(name: str, checkpoint: Path | None, device: torch.device) -> CompressedSwin:
    stages, changes = VARIANTS[name]
    settings = {
        "selection": "threshold",
        "gamma": 0.5,
        "keep": 0.75,
        "merge": True,
        "alpha": 0.9,
        "tau": 1.0,
    } | changes
    model = swin(checkpoint)
    width = model.config.embed_dim
    return (
        CompressedSwin(model, {k: Compression(width * 2**k, MEANING, **settings) for k in stages})
        .train()
        .to(device)
    )


def step(model: CompressedSwin, pixels: Tensor, meaning: Tensor) -> Tensor:
    """One forward and backward pass; how many tokens went into each later stage."""
    with torch.autocast(pixels.device.type, torch.bfloat16, enabled=pixels.is_cuda):
        vectors, counts = model(pixels, meaning)
    vectors.float().square().mean().backward()
    model.zero_grad()
    return counts


def kept(act: Callable[[], object], device: torch.device) -> float:
    """Bytes that are held between forward and backward."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        act()
        return torch.cuda.max_memory_allocated() - before
    held: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        act()
    return sum(held.values())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=1)
    parser.add_argument("--frames", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--checkpoint", type=Path, help="folder of a Swin in the Hub's format")
    arguments = parser.parse_args()

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    n = arguments.clips * arguments.frames
    torch.manual_seed(1)
    size = swin(arguments.checkpoint).config.image_size
    coarse = torch.nn.functional.interpolate(
        torch.randn(n, 3, 14, 14), size=size, mode="bilinear"
    )  # neighbours are alike, as in pictures
    pixels, meaning = coarse.to(device), torch.randn(n, MEANING, device=device)
    models = {name: network(name, arguments.checkpoint, device) for name in VARIANTS}
    counts = {
        name: step(model, pixels, meaning).float().mean(dim=0).tolist()
        for name, model in models.items()
    }  # and warm up
    memory = {
        name: kept(lambda model=model: step(model, pixels, meaning), device)
        for name, model in models.items()
    }  # type: ignore[misc]
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(arguments.rounds):
        for name, model in models.items():
            with torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext():
                start = time.perf_counter()
                step(model, pixels, meaning)
                if device.type == "cuda":
                    torch.cuda.synchronize()
                seconds[name].append(time.perf_counter() - start)

    where = (
        f"{torch.cuda.get_device_name()}, bf16"
        if device.type == "cuda"
        else f"CPU, {torch.get_num_threads()} threads, fp32"
    )
    print(
        f"{arguments.clips} clips of {arguments.frames} frames, {size} x {size}; {where}; best of {arguments.rounds}"
    )
    base, most = min(seconds["without"]), memory["without"]
    for name in models:
        tokens = " / ".join(f"{count:.0f}" for count in counts[name])
        took = min(seconds[name])
        print(
            f"{name:26} tokens into stages 2, 3, 4: {tokens:16} {took:7.3f} s, {took / base:5.2f} of the time,"
            f" {memory[name] / 2**20:7.0f} MiB, {memory[name] / most:5.2f} of the memory"
        )


if __name__ == "__main__":
    main()
