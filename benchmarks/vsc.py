"""Time and memory of Swin-T with visual sequence compression against without.

One batch of frames goes forward and backward. Swin-T (28 M weights, frames of 224 x 224, windows of
7) has random weights, or the weights of `--checkpoint`. The kept tokens depend on the weights, and
the time only on the kept tokens. Variants take turns, so that other load on the machine meets all
of them, and the best of some rounds counts. Memory is what the forward pass keeps for the backward
pass: on a GPU the peak of torch's allocations above those before, on a CPU the bytes of saved
tensors. A GPU computes in bf16.

    OMP_NUM_THREADS=1 python benchmarks/vsc.py
"""

import argparse
import contextlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import SwinConfig, SwinModel

from merflow.nn.compression import Compression
from merflow.nn.swin import CompressedSwin, load_swin

MEANING = 512
#: Name -> stages that a compression follows, and differences from params/paper.yaml.
VARIANTS: dict[str, tuple[list[int], dict]] = {
    "without": ([], {}),
    "threshold, gamma 0.5": ([1, 2, 3], {}),
    "threshold, random guide": ([1, 2, 3], {"guide": "random"}),
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
        "guide": "learned",
        "guide_scale": 2.0,
    } | changes
    model = swin(checkpoint)
    width = model.config.embed_dim
    return (
        CompressedSwin(model, {k: Compression(width * 2**k, MEANING, **settings) for k in stages})
        .train()
        .to(device)
    )


def step(model: CompressedSwin, pixels: Tensor, meaning: Tensor) -> Tensor:
    """Run one forward and backward pass; return the numbers of tokens into each later stage."""
    with torch.autocast(pixels.device.type, torch.bfloat16, enabled=pixels.is_cuda):
        vectors, counts = model(pixels, meaning)
    vectors.float().square().mean().backward()
    model.zero_grad()
    return counts


def kept(act: Callable[[], object], device: torch.device) -> float:
    """Bytes that lie in memory between forward and backward."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        act()
        return torch.cuda.max_memory_allocated() - before
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        act()
    return sum(saved.values())


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
    # neighbouring pixels are alike, as in frames
    coarse = interpolate(torch.randn(n, 3, 14, 14), size=size, mode="bilinear")
    pixels, meaning = coarse.to(device), torch.randn(n, MEANING, device=device)
    models = {name: network(name, arguments.checkpoint, device) for name in VARIANTS}
    counts = {  # and warm up
        name: step(model, pixels, meaning).float().mean(dim=0).tolist()
        for name, model in models.items()
    }
    memory = {
        name: kept(partial(step, model, pixels, meaning), device) for name, model in models.items()
    }
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
    batch = f"{arguments.clips} clips of {arguments.frames} frames, {size} x {size}"
    print(f"{batch}; {where}; best of {arguments.rounds}")
    base, most = min(seconds["without"]), memory["without"]
    for name in models:
        tokens = " / ".join(f"{count:.0f}" for count in counts[name])
        time_s = min(seconds[name])
        print(
            f"{name:26} tokens into stages 2, 3, 4: {tokens:16} "
            f"{time_s:7.3f} s, {time_s / base:5.2f} of the time, "
            f"{memory[name] / 2**20:7.0f} MiB, {memory[name] / most:5.2f} of the memory"
        )


if __name__ == "__main__":
    main()
