"""Files of word vectors, read for the words of a corpus alone: memory follows the corpus, not the file.

Text, GloVe ``.txt`` (https://nlp.stanford.edu/projects/glove) and FastText ``.vec``: a word and its numbers per line, apart by
spaces. A first line of two whole numbers is FastText's header, count and dim; both kinds may have it or not. GloVe has words
with spaces (". . ."), so the numbers are the last `dim` of a line.

Binary, FastText ``.bin`` (https://github.com/facebookresearch/fastText, loadModel of version 12): a word's vector is the mean of
its own row and those of its subwords, an unknown word's that of its subwords. gensim reads it too, but all 7 GB of the
official file, and it never ends on one that was cut.
"""

import mmap
import re
import struct
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from merflow.errors import CheckpointError

_CHUNK = 2**22  # bytes read at a time, and longest line: 300 numbers have about 3000
_LONGEST = 2**16  # bytes of a word in a binary file

#: magic number, version; dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn, maxn, lrUpdateRate, t;
#: size, words, labels, tokens, pruned.
_HEADER = struct.Struct("<2i 12id 3i2q")
_MATRIX = struct.Struct("<?2q")  # quantised, rows, columns; float32 follow
_MAGIC, _VERSION = 793712314, 12
_CLASSIFIER = 3  # a value of model


def read_vectors(folder: Path, words: Iterable[str], dim: int) -> dict[str, np.ndarray]:
    """Vectors of those of `words` that the one file in `folder` has or, with subwords, can make.

    A word is looked up as written, then in lower case, then made of its subwords.

    Args:
        folder: of a .txt, .vec or .bin file.
        words: without spaces.
        dim: length that vectors must have.

    Returns:
        Word -> float32 (dim,), finite.

    Raises:
        CheckpointError: no file or several, another dim, a broken or truncated file; one line that says where.
    """
    files = sorted(path for path in folder.glob("*") if path.suffix in (".txt", ".vec", ".bin"))
    if len(files) != 1:
        found = ", ".join(path.name for path in files) or "none"
        raise CheckpointError(
            f"{folder}: expected one file of word vectors (.txt, .vec or .bin), found {found}"
        )
    return (_read_binary if files[0].suffix == ".bin" else _read_text)(files[0], set(words), dim)


def _read_text(path: Path, words: set[str], dim: int) -> dict[str, np.ndarray]:
    wanted = {form.encode() for word in words for form in (word, word.lower())}
    found: dict[bytes, np.ndarray] = {}
    lines = _lines(path)
    first = next(lines, b"")
    announced = re.fullmatch(rb"(\d{1,18}) (\d{1,18})\s*", first)
    given = int(announced[2]) if announced else len(first.split()) - 1
    if given != dim:
        raise CheckpointError(
            f"{path}: line 1: {max(given, 0)} numbers a word, expected {dim}; correct dim in params.yaml or the file"
        )
    number, line = 1, first
    for number, line in enumerate(lines, 2) if announced else enumerate(chain([first], lines), 1):
        word = line[: line.find(b" ")]
        if not word.isascii() and not _is_utf8(word):
            raise CheckpointError(f"{path}: line {number}: not UTF-8; get the file again")
        if word in wanted and word not in found:
            whole, vector = _parsed(path, number, line, dim)
            if whole == word:
                found[word] = vector
    _parsed(path, number, line, dim)  # the last line: is the file whole?
    if announced and number - 1 != int(announced[1]):
        raise CheckpointError(
            f"{path}: {number - 1} words, its first line says {int(announced[1])}; get it again"
        )
    both = ((word, found.get(word.encode(), found.get(word.lower().encode()))) for word in words)
    return {word: vector for word, vector in both if vector is not None}


def _lines(path: Path) -> Iterator[bytes]:
    rest = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _CHUNK:
                raise CheckpointError(
                    f"{path}: a line of more than {_CHUNK} bytes; not a text file of word vectors"
                )
            yield from lines
    if rest:
        yield rest


def _is_utf8(word: bytes) -> bool:
    try:
        word.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parsed(path: Path, number: int, line: bytes, dim: int) -> tuple[bytes, np.ndarray]:
    word, *numbers = line.rstrip().rsplit(b" ", dim)
    try:
        vector = np.array(numbers, np.float32)
    except ValueError:
        vector = np.empty(0, np.float32)
    if vector.shape != (dim,) or not np.isfinite(vector).all():
        raise CheckpointError(
            f"{path}: line {number}: not a word and {dim} finite numbers; get the file again"
        )
    return word, vector


def _read_binary(path: Path, words: set[str], dim: int) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            header = _HEADER.unpack_from(data)
            (given, model, bucket, shortest, longest), (count, labels, pruned) = (
                [header[at] for at in places] for places in ((2, 9, 10, 11, 12), (16, 17, 19))
            )
            if header[:2] != (_MAGIC, _VERSION) or model == _CLASSIFIER or labels or pruned > 0:
                raise CheckpointError(
                    f"{path}: not a FastText model of word vectors, version {_VERSION}, that is not compressed"
                )
            if given != dim:
                raise CheckpointError(
                    f"{path}: vectors of {given} numbers, expected {dim}; correct dim in params.yaml or the file"
                )
            ids, at = _ids(
                data, count, {form.encode() for word in words for form in (word, word.lower())}
            )
            quantised, *shape = _MATRIX.unpack_from(data, at)
            if min(count, bucket, longest) < 0 or quantised or shape != [count + bucket, dim]:
                raise ValueError("its matrix does not fit its header")
            if at + _MATRIX.size + 4 * shape[0] * dim > len(data):
                raise ValueError("its matrix is cut")
        matrix = np.memmap(path, "<f4", "r", at + _MATRIX.size, tuple(shape))
    except (struct.error, ValueError) as error:
        raise CheckpointError(f"{path}: broken or truncated ({error}); get it again") from error
    vectors = {}
    for word in words:
        form = word if word.encode() in ids or word.lower().encode() not in ids else word.lower()
        own = [ids[form.encode()]] if form.encode() in ids else []
        rows = own + (
            [count + number for number in _subwords(form, shortest, longest, bucket)]
            if bucket
            else []
        )
        if rows:
            vectors[word] = matrix[rows].mean(axis=0, dtype=np.float64).astype(np.float32)
            if not np.isfinite(vectors[word]).all():
                raise CheckpointError(f"{path}: the vector of {word!r} is not finite; get it again")
    return vectors


def _ids(data: mmap.mmap, count: int, wanted: set[bytes]) -> tuple[dict[bytes, int], int]:
    """Rows of `wanted` among the words of the dictionary, and where it ends."""
    ids: dict[bytes, int] = {}
    at = _HEADER.size
    for number in range(count):
        end = data.find(b"\0", at, at + _LONGEST)
        if end < 0:
            raise ValueError(f"word {number + 1} of {count} has no end")
        if (word := data[at:end]) in wanted:
            ids[word] = number
        at = end + 10  # its count (8 bytes) and type (1)
    return ids, at


def _subwords(word: str, shortest: int, longest: int, bucket: int) -> list[int]:
    """Buckets of the character n-grams of ``<word>`` (Dictionary::computeSubwords): FNV-1a over bytes that C++ takes for signed."""
    characters = [character.encode() for character in f"<{word}>"]
    buckets = []
    for start in range(len(characters)):
        value = 2166136261
        for length, character in enumerate(characters[start : start + longest], 1):
            for byte in character:
                value = (
                    (value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619
                ) & 0xFFFFFFFF
            if length >= shortest and not (length == 1 and start in (0, len(characters) - 1)):
                buckets.append(value % bucket)
    return buckets
