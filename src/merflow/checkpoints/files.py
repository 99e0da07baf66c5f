"""Files of a checkpoint, checked by their first bytes; nothing here runs what it reads."""

import re
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open

from merflow.errors import CheckpointError, reason
from merflow.paths import SOURCE
from merflow.pointers import pointer

#: Files of a model, at the top of its folder.
PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors")
#: Suffixes of word vectors: GloVe's text, FastText's text and its binary format.
VECTORS = (".txt", ".vec", ".bin")

_HEAD = 2**16  # bytes
_FASTTEXT = (793_712_314).to_bytes(4, "little")  # fasttext.cc, FASTTEXT_FILEFORMAT_MAGIC_INT32
_COUNTS = re.compile(rb"\d+ \d+\s*\n")  # words and dimensions
_ROW = re.compile(rb"\S+( -?\d+(\.\d+)?([eE][+-]?\d+)?){2,} ?\r?\n")


def is_model(folder: Path) -> bool:
    """Check whether `folder` looks like a model in the Hub's format with safetensors."""
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def model_files(folder: Path) -> list[Path]:
    """List the files of the model in `folder`, sorted.

    Raises:
        CheckpointError: `folder` is absent, lacks a configuration or safetensors, or has truncated
            safetensors or pointers to files.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder; correct it in params.yaml")
    if not is_model(folder):
        raise CheckpointError(
            f"{folder}: lacks config.json or *.safetensors (pickled weights are never loaded); "
            "save the model there with save_pretrained"
        )
    matches = {path for pattern in PATTERNS for path in folder.glob(pattern)}
    files = sorted(path for path in matches if path.is_file() and path.name != SOURCE)
    for path in files:
        if reason := pointer(path):
            raise CheckpointError(f"{path}: {reason}")
        if path.suffix == ".safetensors":
            _check_safetensors(path)
    return files


def _check_safetensors(path: Path) -> None:
    try:
        # opening reads the header and compares the length with it
        with safe_open(path, framework="np"):
            pass
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: not whole safetensors ({reason(error)}); get the file again"
        ) from error


def vector_file(files: Sequence[Path], source: str) -> Path:
    """Choose the only file of word vectors among `files`.

    Args:
        files: files of a folder or an archive.
        source: name of the folder or archive, for messages.

    Raises:
        CheckpointError: `files` do not hold exactly one, or its content is something else.
    """
    candidates = [path for path in files if path.suffix in VECTORS]
    if len(candidates) != 1:
        raise CheckpointError(
            f"{source}: expected one file of word vectors ({', '.join(VECTORS)}), "
            f"found {len(candidates)}"
        )
    (path,) = candidates
    if reason := pointer(path):
        raise CheckpointError(f"{path.name} of {source}: {reason}")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if path.suffix == ".bin":
        valid = head.startswith(_FASTTEXT)
    else:
        valid = bool(_COUNTS.match(head) or _ROW.match(head))
    if not valid:
        raise CheckpointError(
            f"{path.name} of {source}: does not begin like word vectors (a pickle, a web page?)"
        )
    return path
