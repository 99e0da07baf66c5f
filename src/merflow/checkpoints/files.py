"""Which files a checkpoint is made of, and whether they are what their names say; nothing here runs what it reads."""

import re
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open

from merflow.errors import CheckpointError
from merflow.paths import SOURCE

PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors")  #: of a model, at the top of its folder
VECTORS = (
    ".txt",
    ".vec",
    ".bin",
)  #: of word vectors: GloVe's text, FastText's text and its binary format

_HEAD = 2**16  # bytes
_FASTTEXT = (793_712_314).to_bytes(4, "little")  # fasttext.cc, FASTTEXT_FILEFORMAT_MAGIC_INT32
_COUNTS = re.compile(rb"\d+ \d+\s*\n")  # words and dimensions
_ROW = re.compile(rb"\S+( -?\d+(\.\d+)?([eE][+-]?\d+)?){2,} ?\r?\n")


def is_model(folder: Path) -> bool:
    """Whether `folder` looks like a model in the Hub's format with safetensors."""
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def of_model(folder: Path) -> list[Path]:
    """Files of the model in `folder`, sorted.

    Raises:
        CheckpointError: no such folder, no configuration, no safetensors, or one that is cut off.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder; correct it in params.yaml")
    if not is_model(folder):
        raise CheckpointError(
            f"{folder}: lacks config.json or *.safetensors (pickled weights are never loaded); save the model there with save_pretrained"
        )
    files = sorted(
        {
            path
            for pattern in PATTERNS
            for path in folder.glob(pattern)
            if path.is_file() and path.name != SOURCE
        }
    )
    for path in files:
        if path.suffix == ".safetensors":
            try:
                with safe_open(
                    path, framework="np"
                ):  # reads the header and compares the length with it
                    pass
            except SafetensorError as error:
                raise CheckpointError(
                    f"{path}: not whole safetensors ({' '.join(str(error).split())}); bring it again"
                ) from error
    return files


def of_vectors(files: Sequence[Path], where: str) -> Path:
    """The one file of word vectors among `files`.

    Raises:
        CheckpointError: there is none or more than one, or it is something else under that name.
    """
    found = [path for path in files if path.suffix in VECTORS]
    if len(found) != 1:
        raise CheckpointError(
            f"{where}: expected one file of word vectors ({', '.join(VECTORS)}), found {len(found)}"
        )
    with found[0].open("rb") as file:
        head = file.read(_HEAD)
    if not (
        head.startswith(_FASTTEXT)
        if found[0].suffix == ".bin"
        else _COUNTS.match(head) or _ROW.match(head)
    ):
        raise CheckpointError(
            f"{found[0].name} of {where}: does not begin like word vectors (a pickle, a web page?)"
        )
    return found[0]
