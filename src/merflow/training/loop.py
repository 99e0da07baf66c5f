"""The one training loop: AdamW (without weight decay it is Adam), cross-entropy, loss and weighted F1 on dev after every epoch.

Device, precision and several processes (`accelerate launch`) are accelerate's matter. Every epoch draws its random numbers from
(seed, epoch, process), so a run that goes on after a kill ends with the same bits as an unbroken one, and no generator
is saved. The test part never comes here.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from merflow.errors import ParamsError
from merflow.params import Training
from merflow.progress import log, track
from merflow.store import whole
from merflow.training.batches import Examples, batches, ordered, shuffled
from merflow.training.seeds import deterministic, seed_all

PREDICT_BATCH = 64  # utterances


@dataclass(frozen=True)
class Fitted:
    """A trained network.

    Attributes:
        model: carries the weights of `selected_epoch`.
        selected_epoch: from 1.
        history: per epoch ``epoch``, ``train_loss``, ``dev_loss``, ``dev_weighted_f1``.
        device: where it was trained.
        precision: fp32 or bf16, as computed.
        wall_s: seconds of all epochs, those before a kill included.
    """

    model: nn.Module
    selected_epoch: int
    history: list[dict[str, float]]
    device: torch.device
    precision: str
    wall_s: float


def fit(
    build: Callable[[], nn.Module],
    train: Examples,
    dev: Examples,
    settings: Training,
    select: Literal["last", "dev"],
    seed: int,
    precision: Literal["fp32", "bf16"],
    state_path: Path,
) -> Fitted:
    """Train a network, or go on where a killed run of the same inputs stopped.

    Args:
        build: makes the network; called after seeding.
        train: examples to learn from.
        dev: examples to measure on after each epoch.
        settings: batch size (over all processes), learning rate and its schedule, weight decay, epochs, patience.
        select: keep the weights of the last epoch, or of the one with the best weighted F1 on dev (the first best wins).
        seed: of everything random.
        precision: bf16 is used where the device computes in it, else fp32.
        state_path: file of the resumable state, written whole after each epoch; it must be named by all that decides
            the result. The caller deletes it.

    Raises:
        ParamsError: the loss is no finite number, or there are more processes than examples in a batch.
        StoreError: the state cannot be written.
    """
    deterministic()
    accelerator = Accelerator(mixed_precision="bf16" if precision == "bf16" and _computes_bf16() else "no")
    part, parts = accelerator.process_index, accelerator.num_processes
    if 2 * parts > settings.batch_size and parts > 1:
        raise ParamsError(f"batch_size {settings.batch_size} is too small for {parts} processes; start {settings.batch_size // 2} at most")
    seed_all(seed, 0)
    model = accelerator.prepare(build())
    bare = accelerator.unwrap_model(model)
    optimizer = torch.optim.AdamW(_groups(bare, settings.weight_decay), lr=settings.learning_rate, fused=True)
    steps = settings.epochs * len(shuffled(train.lengths, settings.batch_size, (seed, 0)))
    from transformers import get_scheduler  # takes seconds to import: not where only a fusion is computed

    kind = "linear" if settings.schedule == "linear" else "constant_with_warmup"
    scheduler = get_scheduler(kind, optimizer, num_warmup_steps=round(settings.warmup * steps), num_training_steps=steps)

    history: list[dict[str, float]] = []
    selected_epoch, selected, before_s, start = 0, {}, 0.0, time.monotonic()
    if state_path.exists():
        state = torch.load(state_path, map_location="cpu", weights_only=True)
        bare.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
        history, selected_epoch, selected, before_s = (state[key] for key in ("history", "selected_epoch", "selected", "wall_s"))
        log.info("going on after epoch %d of %d", len(history), settings.epochs)

    while len(history) < settings.epochs and not _out_of_patience(history, settings.patience):
        epoch = len(history) + 1
        seed_all(seed, epoch, part)
        positions = shuffled(train.lengths, settings.batch_size, (seed, epoch))
        began = time.monotonic()
        model.train()
        total = torch.zeros((), device=accelerator.device)
        progress = track(positions, f"epoch {epoch} of {settings.epochs}, batches", len(positions))
        for step, (whole_batch, batch) in enumerate(zip(progress, batches(train, positions, part, parts), strict=True), 1):
            batch = batch.to(accelerator.device)
            loss = cross_entropy(model(batch), batch.labels, reduction="sum")
            if not math.isfinite(loss.item()):
                raise ParamsError(
                    f"training diverged: the loss is {loss.item()} in epoch {epoch}, step {step} of {len(positions)}; lower learning_rate "
                    f"(now {settings.learning_rate:g}) or raise warmup (now {settings.warmup:g})"
                )
            # several processes average their gradients: times their number, this is the gradient of the batch's mean
            accelerator.backward(loss * parts / len(whole_batch))
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
            total += loss.detach()
        speed = len(train) / (time.monotonic() - began)

        history.append(
            {"epoch": epoch, "train_loss": accelerator.reduce(total).item() / len(train), **_measure(bare, dev, accelerator.device)}
        )
        weights = {name: value.detach().cpu().clone() for name, value in bare.state_dict().items()}
        if select == "last" or history[-1]["dev_weighted_f1"] > max((one["dev_weighted_f1"] for one in history[:-1]), default=-1.0):
            selected_epoch, selected = epoch, weights
        log.info(
            "epoch %d of %d: train loss %.4f, dev loss %.4f, dev weighted F1 %.4f, %.0f utterances/s",
            *(epoch, settings.epochs, history[-1]["train_loss"], history[-1]["dev_loss"], history[-1]["dev_weighted_f1"], speed),
        )
        if accelerator.is_main_process:
            _save(
                state_path,
                model=weights,
                optimizer=optimizer.state_dict(),
                scheduler=scheduler.state_dict(),
                history=history,
                selected_epoch=selected_epoch,
                selected=selected,
                wall_s=before_s + time.monotonic() - start,
            )

    bare.load_state_dict(selected)
    used = "bf16" if accelerator.mixed_precision == "bf16" else "fp32"
    return Fitted(bare, selected_epoch, history, accelerator.device, used, before_s + time.monotonic() - start)


@torch.inference_mode()
def predict(model: nn.Module, examples: Examples, device: torch.device) -> Tensor:
    """Logits (N, n_classes) on the CPU in float32, in the order of `examples`."""
    model.eval()
    parts = [(batch.index, model(batch.to(device)).float().cpu()) for batch in batches(examples, ordered(examples.lengths, PREDICT_BATCH))]
    index, logits = map(torch.cat, zip(*parts, strict=True))
    return logits[torch.argsort(index)]


def _measure(model: nn.Module, dev: Examples, device: torch.device) -> dict[str, float]:
    logits, labels = predict(model, dev, device), torch.as_tensor(dev.labels)
    f1 = f1_score(dev.labels, logits.argmax(dim=1).numpy(), average="weighted", zero_division=0)
    return {"dev_loss": cross_entropy(logits, labels).item(), "dev_weighted_f1": float(f1)}


def _out_of_patience(history: list[dict[str, float]], patience: int | None) -> bool:
    """Whether the last `patience` epochs brought no dev loss below the best one before them."""
    losses = [one["dev_loss"] for one in history]
    return patience is not None and len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience])


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Biases and norms are not decayed, as in the Trainer of transformers."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    matrices, vectors = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def _computes_bf16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def _save(path: Path, **state: Any) -> None:
    with whole(path) as part:
        torch.save(state, part)
