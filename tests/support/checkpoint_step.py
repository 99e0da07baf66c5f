"""The step checkpoint in a checkout of its own, and small files for it."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from merflow.checkpoints.fetch import fetch
from merflow.errors import CheckpointError

WEIGHTS = save({"weight": np.arange(50_000, dtype=np.float32)})
MODEL = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": WEIGHTS,
    "vocab.txt": b"[PAD]\n",
}
GLOVE = "".join(
    f"word{n} {' '.join(f'{value:.4f}' for value in np.sin(np.arange(50) * n))}\n"
    for n in range(2000)
).encode()
VEC = b"2000 50\n" + GLOVE


class Checkout:
    """Folders of the step `checkpoint` in a checkout."""

    def __init__(self, root: Path):
        self.out = root / "data/checkpoints/x"
        self.scratch = root / "build/fetch/checkpoints/x"
        self.digests = root / "data/digests"

    def fetch(self, **params: str) -> dict:
        """Run the step, and read SOURCE.json."""
        fetch("x", params, self.out, self.scratch, self.digests)
        assert not self.scratch.exists()
        return json.loads((self.out / "SOURCE.json").read_text())

    def refuse(self, **params: str) -> str:
        """Run the step, which must fail and change nothing; return its message."""
        before = self.files
        with pytest.raises(CheckpointError) as error:
            self.fetch(**params)
        assert self.files == before
        assert "\n" not in str(error.value)
        assert str(error.value).startswith("checkpoint x: ")
        return str(error.value).removeprefix("checkpoint x: ")

    @property
    def files(self) -> dict[str, bytes]:
        paths = [path for path in self.out.glob("*") if path.name != "SOURCE.json"]
        return {path.name: path.read_bytes() for path in paths}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def save_files(folder: Path, files: dict[str, bytes] = MODEL) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
