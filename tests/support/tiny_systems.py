"""Parameters of two systems that train in a second, and of a protocol."""

from typing import Any

TRAINING = {"batch_size": 8, "learning_rate": 0.01, "patience": None}
TEXT_SYSTEM = {
    "inputs": {"tokens": {"max_tokens": 64, "context": 0}},
    "network": {"pooling": "mean", "dropout": 0.1},
    "training": TRAINING | {"weight_decay": 0.01, "epochs": 4, "schedule": "linear", "warmup": 0.1},
}
SPEECH_SYSTEM = {
    "inputs": {"speech": {"method": "ridge", "keep": 30, "alpha": 1.0}},
    "network": {"filters": 8, "width": 3, "pool": 2, "hidden": [16, 8]},
    "training": TRAINING
    | {"weight_decay": 0.0, "epochs": 12, "schedule": "constant", "warmup": 0.0},
}


def with_training(system: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Parameters of a system with changes in its block ``training``."""
    return system | {"training": system["training"] | changes}


def protocol(
    scheme: str = "official",
    select: str = "dev",
    seeds: tuple[int, ...] = (1,),
    corpus: str = "meld",
) -> dict[str, Any]:
    """Parameters of a protocol for a corpus."""
    return {"scheme": {corpus: scheme}, "select": select, "seeds": list(seeds)}
