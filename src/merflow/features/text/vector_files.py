"""Files of word vectors, read for the words of a corpus only.

Memory therefore grows with the corpus, not with the file.

Text files are GloVe's ``.txt`` (https://nlp.stanford.edu/projects/glove) and FastText's ``.vec``:
per line a word and its numbers, separated by spaces. FastText's first line holds two whole
numbers, count and dim; either kind may have or lack it. GloVe has words with spaces (". . ."), so
the numbers are the last `dim` of a line.

Binary files are FastText's ``.bin`` (https://github.com/facebookresearch/fastText, loadModel of
version 12). The vector of a word is the mean of its own row and the rows of its subwords. An
unknown word has subwords only. gensim reads this format too. But it holds all 7 GB of the official
file in memory, and does not terminate on a truncated file.
"""

import mmap
import re
import struct
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from merflow.errors import CheckpointError

_CHUNK = 2**22  # bytes read at a time, and longest line: 300 numbers have about 3000
_LONGEST = 2**16  # bytes of a word in a binary file

#: magic number, version; dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn,
#: maxn, lrUpdateRate, t; size, words, labels, tokens, pruned.
_HEADER = struct.Struct("<2i 12id 3i2q")
_MATRIX = struct.Struct("<?2q")  # quantised, rows, columns; float32 follow
_MAGIC, _VERSION = 793712314, 12
_CLASSIFIER = 3  # a value of `model`


def read_vectors(folder: Path, words: Iterable[str], dim: int) -> dict[str, np.ndarray]:
    """Read the vectors of `words` from the only file of word vectors in `folder`.

    A word is looked up as written, then in lower case, then composed of its subwords.

    Args:
        folder: folder of a .txt, .vec or .bin file.
        words: words without spaces.
        dim: expected length of a vector.

    Returns:
        Word -> float32 (dim,), finite; words without a vector are absent.

    Raises:
        CheckpointError: `folder` does not have exactly one file of word vectors, or the file is
            broken, truncated or of another dim.
    """
    files = sorted(path for path in folder.glob("*") if path.suffix in (".txt", ".vec", ".bin"))
    if len(files) != 1:
        names = ", ".join(path.name for path in files) or "none"
        raise CheckpointError(
            f"{folder}: expected one file of word vectors (.txt, .vec or .bin), found {names}"
        )
    read = _read_binary if files[0].suffix == ".bin" else _read_text
    return read(files[0], set(words), dim)


def _encoded_forms(words: set[str]) -> set[bytes]:
    return {form.encode() for word in words for form in (word, word.lower())}


# Text files


def _read_text(path: Path, words: set[str], dim: int) -> dict[str, np.ndarray]:
    forms = _encoded_forms(words)
    vectors: dict[bytes, np.ndarray] = {}
    lines = _lines(path)
    first = next(lines, b"")
    header = re.fullmatch(rb"(\d{1,18}) (\d{1,18})\s*", first)
    file_dim = int(header[2]) if header else len(first.split()) - 1
    if file_dim != dim:
        raise CheckpointError(
            f"{path}: line 1: {max(file_dim, 0)} numbers a word, expected {dim}; "
            "correct dim in params.yaml or the file"
        )
    number, line = 1, first
    for number, line in enumerate(lines, 2) if header else enumerate(chain([first], lines), 1):
        word = line[: line.find(b" ")]
        if not word.isascii() and not _is_utf8(word):
            raise CheckpointError(f"{path}: line {number}: not UTF-8; get the file again")
        if word in forms and word not in vectors:
            whole_word, vector = _parse_line(path, number, line, dim)
            if whole_word == word:
                vectors[word] = vector
    _parse_line(path, number, line, dim)  # fails if the last line is truncated
    if header and number - 1 != int(header[1]):
        raise CheckpointError(
            f"{path}: {number - 1} words, its first line says {int(header[1])}; get it again"
        )
    candidates = (
        (word, vectors.get(word.encode(), vectors.get(word.lower().encode()))) for word in words
    )
    return {word: vector for word, vector in candidates if vector is not None}


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


def _parse_line(path: Path, number: int, line: bytes, dim: int) -> tuple[bytes, np.ndarray]:
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


# Binary files


class _Header(NamedTuple):
    """Fields of a binary file's header that the reader uses."""

    dim: int
    n_words: int
    bucket: int  # number of rows that subwords share
    shortest: int  # characters of a subword
    longest: int


def _read_binary(path: Path, words: set[str], dim: int) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            header = _read_header(path, data, dim)
            rows, end = _read_dictionary(data, header.n_words, _encoded_forms(words))
            offset, shape = _locate_matrix(data, end, header)
        matrix = np.memmap(path, "<f4", "r", offset, shape)
    except (struct.error, ValueError) as error:
        raise CheckpointError(f"{path}: broken or truncated ({error}); get it again") from error
    vectors = {}
    for word in words:
        if word_rows := _rows_of_word(word, rows, header):
            vectors[word] = matrix[word_rows].mean(axis=0, dtype=np.float64).astype(np.float32)
            if not np.isfinite(vectors[word]).all():
                raise CheckpointError(f"{path}: the vector of {word!r} is not finite; get it again")
    return vectors


def _read_header(path: Path, data: mmap.mmap, dim: int) -> _Header:
    fields = _HEADER.unpack_from(data)
    model, n_labels, pruned = fields[9], fields[17], fields[19]
    if fields[:2] != (_MAGIC, _VERSION) or model == _CLASSIFIER or n_labels or pruned > 0:
        raise CheckpointError(
            f"{path}: not a FastText model of word vectors, version {_VERSION}, "
            "that is not compressed"
        )
    header = _Header(fields[2], fields[16], *fields[10:13])
    if header.dim != dim:
        raise CheckpointError(
            f"{path}: vectors of {header.dim} numbers, expected {dim}; "
            "correct dim in params.yaml or the file"
        )
    return header


def _read_dictionary(
    data: mmap.mmap, n_words: int, forms: set[bytes]
) -> tuple[dict[bytes, int], int]:
    """Find the matrix rows of `forms` in the dictionary, and the offset of its end."""
    rows: dict[bytes, int] = {}
    offset = _HEADER.size
    for row in range(n_words):
        end = data.find(b"\0", offset, offset + _LONGEST)
        if end < 0:
            raise ValueError(f"word {row + 1} of {n_words} has no end")
        if (word := data[offset:end]) in forms:
            rows[word] = row
        offset = end + 10  # its count (8 bytes) and type (1)
    return rows, offset


def _locate_matrix(data: mmap.mmap, offset: int, header: _Header) -> tuple[int, tuple[int, int]]:
    """Compute the offset and shape of the matrix of float32 behind the dictionary."""
    quantised, *shape = _MATRIX.unpack_from(data, offset)
    n_rows = header.n_words + header.bucket
    negative = min(header.n_words, header.bucket, header.longest) < 0
    if negative or quantised or shape != [n_rows, header.dim]:
        raise ValueError("its matrix does not fit its header")
    if offset + _MATRIX.size + 4 * n_rows * header.dim > len(data):
        raise ValueError("its matrix is cut")
    return offset + _MATRIX.size, (n_rows, header.dim)


def _rows_of_word(word: str, rows: dict[bytes, int], header: _Header) -> list[int]:
    """List the matrix rows whose mean is the vector of `word`."""
    lower_only = word.encode() not in rows and word.lower().encode() in rows
    form = word.lower() if lower_only else word
    own_rows = [rows[form.encode()]] if form.encode() in rows else []
    if not header.bucket:
        return own_rows
    buckets = _subword_buckets(form, header.shortest, header.longest, header.bucket)
    return own_rows + [header.n_words + bucket for bucket in buckets]


def _subword_buckets(word: str, shortest: int, longest: int, bucket: int) -> list[int]:
    """Hash the character n-grams of ``<word>`` into buckets (Dictionary::computeSubwords).

    The hash is FNV-1a over bytes that C++ takes for signed.
    """
    characters = [character.encode() for character in f"<{word}>"]
    buckets = []
    for start in range(len(characters)):
        value = 2166136261
        for length, character in enumerate(characters[start : start + longest], 1):
            for byte in character:
                signed = byte if byte < 128 else byte | 0xFFFFFF00
                value = ((value ^ signed) * 16777619) & 0xFFFFFFFF
            if length >= shortest and not (length == 1 and start in (0, len(characters) - 1)):
                buckets.append(value % bucket)
    return buckets
