"""Word vectors: words of a text, text files, and FastText's binary files."""

import struct

import numpy as np
import pytest

from merflow.errors import CheckpointError
from merflow.features.extractor import Flagged
from merflow.features.text import vector_files
from merflow.features.text.vector_files import read_vectors
from merflow.features.text.word_vectors import extract, split
from merflow.params import WordVectorParams

PARAMS = WordVectorParams(dim=3, lowercase=False)
GLOVE = """\
, 0 0 1
. . . 9 9 9
. 0.5 0 0
hello 1 2 3
Hello 4 5 6
do -1 0 1e-3
n't 7 7 7
café 8 8 8
hello 0 0 0
"""


def write_vectors(folder, name="vectors.txt", content: str | bytes = GLOVE):
    """Write a checkpoint of word vectors, and return its folder."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    (folder / "SOURCE.json").write_text("{}")
    return folder


def extract_text(text, checkpoint, params=PARAMS):
    (result,) = extract([[text]], params, checkpoint)
    return result


def as_lists(vectors):
    return {word: vector.tolist() for word, vector in vectors.items()}


# Words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Oh, no!", "Oh , no !"),
        ("I don’t. He CAN'T; it’s 'fine'", "I do n't . He CA N'T ; it 's ' fine '"),
        ("Well... we'll see?!", "Well ... we 'll see ? !"),
        ("a café-bar, 20%", "a café - bar , 20 %"),
        ("  ", ""),
    ],
)
def test_a_text_is_split_into_words_and_punctuation(text, words):
    assert split(text) == words.split()


def test_rows_are_in_the_order_of_words_and_texts(tmp_path):
    blocks = iter([["hello do n't."], ["Hello, hello"]])
    first, second = extract(blocks, PARAMS, write_vectors(tmp_path))
    assert first.tolist() == [[1, 2, 3], [-1, 0, np.float32(1e-3)], [7, 7, 7], [0.5, 0, 0]]
    assert second.tolist() == [[4, 5, 6], [0, 0, 1], [1, 2, 3]]
    assert second.dtype == np.float32


def test_a_word_is_looked_up_as_written_then_in_lower_case(tmp_path):
    write_vectors(tmp_path)
    rows = extract_text("HELLO Hello Café", tmp_path)
    assert rows.tolist() == [[1, 2, 3], [4, 5, 6], [8, 8, 8]]
    lowercase = WordVectorParams(dim=3, lowercase=True)
    assert extract_text("Hello", tmp_path, lowercase).tolist() == [[1, 2, 3]]


def test_unknown_words_are_zeros_and_named(tmp_path):
    result = extract_text("hello a b c d e f a", write_vectors(tmp_path))
    values, detail = result.values, "7 of 8: a, b, c, d, e"
    assert result == Flagged(values, "unknown words", detail, "zero vectors")
    assert values[0].tolist() == [1, 2, 3]
    assert not values[1:].any()


def test_a_text_without_words_is_one_row_of_zeros(tmp_path):
    result = extract_text(" ", write_vectors(tmp_path))
    assert result == Flagged(result.values, "no words", "empty text", "one row of zeros")
    assert result.values.tolist() == [[0, 0, 0]]
    assert list(extract([], PARAMS, tmp_path)) == []


# Text files


@pytest.mark.parametrize("chunk", [2**22, 16])
def test_the_last_numbers_of_a_line_are_the_vector(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(vector_files, "_CHUNK", chunk)
    vectors = read_vectors(write_vectors(tmp_path), {".", "hello", "café", "9"}, 3)
    assert as_lists(vectors) == {".": [0.5, 0, 0], "hello": [1, 2, 3], "café": [8, 8, 8]}


@pytest.mark.parametrize("name", ["a.vec", "a.txt"])
def test_a_header_and_trailing_spaces_are_understood(tmp_path, name):
    content = "2 3\r\nhi 1 2 3 \r\n2 4 5 6 \r\n"
    vectors = read_vectors(write_vectors(tmp_path, name, content), {"hi", "2"}, 3)
    assert as_lists(vectors) == {"hi": [1, 2, 3], "2": [4, 5, 6]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hi 1 2\n", "line 1: 2 numbers a word, expected 3"),
        ("hi 1 2 3 4\n", "line 1: 4 numbers a word, expected 3"),
        ("5 4\n", "line 1: 4 numbers a word, expected 3"),
        ("", "line 1: 0 numbers a word, expected 3"),
        ("a 0 0 0\nhi 1 x 3\nb 0 0 0\n", "line 2: not a word and 3 finite numbers"),
        ("a 0 0 0\nhi 1 nan 3\nb 0 0 0\n", "line 2: not a word and 3 finite numbers"),
        ("a 0 0 0\nhi 1 1e39 3\nb 0 0 0\n", "line 2: not a word and 3 finite numbers"),
        ("a 0 0 0\nhi 1 2\nb 0 0 0\n", "line 2: not a word and 3 finite numbers"),
        ("a 0 0 0\nb 0 0", "line 2: not a word and 3 finite numbers"),
        ("3 3\na 0 0 0\nb 0 0 0\n", "2 words, its first line says 3"),
        ("a 0 0 0\n" + "x" * 100, "a line of more than 64 bytes"),
        ("a 0 0 0\nhé 1 2 3\n".encode("latin-1"), "line 2: not UTF-8"),
        ("hi 1 2 3\n".encode("utf-16"), "line 1: "),
    ],
)
def test_a_broken_text_file_is_one_line_with_its_place(tmp_path, monkeypatch, content, message):
    monkeypatch.setattr(vector_files, "_CHUNK", 64)
    folder = write_vectors(tmp_path, content=content)
    with (
        pytest.raises(CheckpointError, match=rf"vectors\.txt: (.*: )?{message}") as error,
        np.errstate(all="raise", over="ignore"),
    ):
        read_vectors(folder, {"hi"}, 3)
    assert "\n" not in str(error.value)


def test_no_file_or_two_are_refused(tmp_path):
    message = r"expected one file of word vectors \(.txt, .vec or .bin\), found none"
    with pytest.raises(CheckpointError, match=message):
        read_vectors(tmp_path, {"hi"}, 3)
    write_vectors(tmp_path, "b.vec")
    write_vectors(tmp_path, "a.txt")
    with pytest.raises(CheckpointError, match=r"found a\.txt, b\.vec"):
        read_vectors(tmp_path, {"hi"}, 3)


# FastText's binary files

WORDS = ("the", "cat", "sat", "Zürich", "mat")
MATRIX_HEADER = 17  # bytes
MATRIX = 4 * 4 * len(WORDS)  # bytes of 5 vectors of 4 numbers


def save_binary(path, dim=4, bucket=50, shortest=3, longest=6, rows=None, **changes):
    """Write a model of WORDS as FastText::saveModel does; gensim needs the output matrix too."""
    fields = {
        "magic": 793712314,
        "version": 12,
        "model": 2,
        "labels": 0,
        "pruned": -1,
        "quantised": False,
    }
    fields |= changes
    n_words = len(WORDS)
    shape = (n_words + bucket if rows is None else rows, dim)
    matrix = np.random.default_rng(0).normal(size=shape).astype("<f4")
    before_model = (dim, 5, 5, 1, 5, 1, 2)
    after_model = (bucket, shortest, longest, 100, 1e-4)
    with path.open("wb") as file:
        file.write(struct.pack("<2i", fields["magic"], fields["version"]))
        file.write(struct.pack("<12id", *before_model, fields["model"], *after_model))
        sizes = (n_words, n_words, fields["labels"], 1000, fields["pruned"])
        file.write(struct.pack("<3i2q", *sizes))
        for number, word in enumerate(WORDS):
            file.write(word.encode() + b"\0" + struct.pack("<qb", 100 - number, 0))
        for array in (matrix, matrix[:n_words]):
            file.write(struct.pack("<?2q", fields["quantised"], *array.shape) + array.tobytes())
    return path.parent


@pytest.mark.parametrize(
    ("shortest", "longest", "bucket"), [(3, 6, 50), (1, 2, 7), (5, 5, 200_000), (0, 0, 0)]
)
def test_vectors_equal_gensim_s(tmp_path, shortest, longest, bucket):
    fasttext = pytest.importorskip("gensim.models.fasttext")
    path = tmp_path / "model.bin"
    save_binary(path, shortest=shortest, longest=longest, bucket=bucket)
    gensim_vectors = fasttext.load_facebook_vectors(str(path))
    unknown = ["cats", "a", "naïve", "Ωmega", "日本語", "!"]
    vectors = read_vectors(tmp_path, [*WORDS, *unknown], 4)
    assert set(vectors) >= set(WORDS)
    # without subwords, gensim gives zeros for an unknown word, and we give none
    assert (len(vectors) > len(WORDS)) == (bucket > 0)
    for word in [*WORDS, *(unknown if bucket else [])]:
        vector = vectors.get(word, np.zeros(4))
        np.testing.assert_allclose(vector, gensim_vectors[word], rtol=1e-5, atol=1e-6, err_msg=word)


def test_a_known_lower_case_goes_before_subwords(tmp_path):
    save_binary(tmp_path / "model.bin")
    vectors = read_vectors(tmp_path, {"CAT", "cat", "DOG"}, 4)
    assert np.array_equal(vectors["CAT"], vectors["cat"])
    assert not np.array_equal(vectors["DOG"], vectors["cat"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"magic": 1}, "not a FastText model"),
        ({"version": 11}, "not a FastText model"),
        ({"model": 3, "labels": 2}, "not a FastText model of word vectors"),
        ({"pruned": 7}, "not compressed"),
        ({"quantised": True}, "its matrix does not fit its header"),
        ({"rows": 54}, "its matrix does not fit its header"),
        ({"bucket": -5, "rows": 0}, "its matrix does not fit its header"),
        ({"dim": 5}, "vectors of 5 numbers, expected 4"),
    ],
)
def test_another_binary_file_is_refused(tmp_path, changes, message):
    save_binary(tmp_path / "model.bin", **changes)
    with pytest.raises(CheckpointError, match=rf"model\.bin: .*{message}"):
        read_vectors(tmp_path, {"cat"}, 4)


def test_a_binary_file_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "model.bin"
    save_binary(path, bucket=5)
    data = path.read_bytes()
    n_read = len(data) - MATRIX_HEADER - MATRIX  # the output matrix is not read
    for size in range(0, n_read, 7):
        path.write_bytes(data[:size])
        with pytest.raises(CheckpointError, match="broken or truncated"):
            read_vectors(tmp_path, {"cat"}, 4)


def test_a_vector_that_is_not_finite_is_refused(tmp_path):
    path = tmp_path / "model.bin"
    save_binary(path, bucket=0, longest=0)
    data = bytearray(path.read_bytes())
    first_row = len(data) - 2 * MATRIX - MATRIX_HEADER
    data[first_row : first_row + 4] = struct.pack("<f", np.nan)
    path.write_bytes(data)
    assert set(read_vectors(tmp_path, {"cat"}, 4)) == {"cat"}
    with pytest.raises(CheckpointError, match="the vector of 'the' is not finite"):
        read_vectors(tmp_path, {"the"}, 4)
