"""Settings of two systems that train in a second."""

TEXT_SYSTEM = {
    "inputs": {"tokens": {"max_tokens": 64, "context": 0}},
    "network": {"pooling": "mean", "dropout": 0.1},
    "training": {"batch_size": 8, "learning_rate": 0.01, "weight_decay": 0.01}
    | {"epochs": 4, "schedule": "linear", "warmup": 0.1, "patience": None},
}
SPEECH_SYSTEM = {
    "inputs": {"speech": {"method": "ridge", "keep": 30, "alpha": 1.0}},
    "network": {"filters": 8, "width": 3, "pool": 2, "hidden": [16, 8]},
    "training": {"batch_size": 8, "learning_rate": 0.01, "weight_decay": 0.0}
    | {"epochs": 12, "schedule": "constant", "warmup": 0.0, "patience": None},
}
