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
GLOVE = ", 0 0 1\n. . . 9 9 9\n. 0.5 0 0\nhello 1 2 3\nHello 4 5 6\ndo -1 0 1e-3\nn't 7 7 7\ncafé 8 8 8\nhello 0 0 0\n"


def folder(path, name="vectors.txt", content: str | bytes = GLOVE):
    path.mkdir(exist_ok=True)
    (path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    (path / "SOURCE.json").write_text("{}")
    return path


def one(text: str, checkpoint, params=PARAMS):
    (row,) = extract([[text]], params, checkpoint)
    return row


# --- words


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
def test_a_text_becomes_words_and_marks(text, words):
    assert split(text) == words.split()


def test_rows_are_in_the_order_of_the_words_and_texts(tmp_path):
    first, second = extract(iter([["hello do n't."], ["Hello, hello"]]), PARAMS, folder(tmp_path))
    assert first.tolist() == [[1, 2, 3], [-1, 0, np.float32(1e-3)], [7, 7, 7], [0.5, 0, 0]]
    assert second.tolist() == [[4, 5, 6], [0, 0, 1], [1, 2, 3]] and second.dtype == np.float32


def test_a_word_is_looked_up_as_written_and_then_in_lower_case(tmp_path):
    assert one("HELLO Hello Café", folder(tmp_path)).tolist() == [[1, 2, 3], [4, 5, 6], [8, 8, 8]]
    assert one("Hello", folder(tmp_path), WordVectorParams(dim=3, lowercase=True)).tolist() == [
        [1, 2, 3]
    ]


def test_unknown_words_are_zeros_and_named(tmp_path):
    row = one("hello a b c d e f a", folder(tmp_path))
    assert row == Flagged(row.values, "unknown words", "7 of 8: a, b, c, d, e", "zero vectors")
    assert row.values[0].tolist() == [1, 2, 3] and not row.values[1:].any()


def test_a_text_without_words_is_one_row_of_zeros(tmp_path):
    row = one(" ", folder(tmp_path))
    assert row == Flagged(
        row.values, "no words", "empty text", "one row of zeros"
    ) and row.values.tolist() == [[0, 0, 0]]
    assert list(extract([], PARAMS, tmp_path)) == []


# --- text files


def test_numbers_are_the_last_of_a_line_whatever_the_length_of_a_chunk(tmp_path, monkeypatch):
    whole = read_vectors(folder(tmp_path), {".", "hello", "café", "9"}, 3)
    assert {word: vector.tolist() for word, vector in whole.items()} == {
        ".": [0.5, 0, 0],
        "hello": [1, 2, 3],
        "café": [8, 8, 8],
    }
    monkeypatch.setattr(vector_files, "_CHUNK", 16)
    pieces = read_vectors(tmp_path, {".", "hello", "café", "9"}, 3)
    assert {word: vector.tolist() for word, vector in pieces.items()} == {
        word: vector.tolist() for word, vector in whole.items()
    }


@pytest.mark.parametrize("name", ["a.vec", "a.txt"])
def test_fasttext_s_header_trailing_spaces_and_line_ends_are_understood(tmp_path, name):
    read = read_vectors(folder(tmp_path, name, "2 3\r\nhi 1 2 3 \r\n2 4 5 6 \r\n"), {"hi", "2"}, 3)
    assert read["hi"].tolist() == [1, 2, 3] and read["2"].tolist() == [4, 5, 6]


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
def test_a_broken_text_file_is_one_line_that_says_where(tmp_path, monkeypatch, content, message):
    monkeypatch.setattr(vector_files, "_CHUNK", 64)
    with (
        pytest.raises(
            CheckpointError, match=f"vectors.txt: .*{message}|vectors.txt: {message}"
        ) as error,
        np.errstate(all="raise", over="ignore"),
    ):
        read_vectors(folder(tmp_path, content=content), {"hi"}, 3)
    assert "\n" not in str(error.value)


def test_no_file_or_two_are_refused(tmp_path):
    with pytest.raises(
        CheckpointError,
        match=r"expected one file of word vectors \(.txt, .vec or .bin\), found none",
    ):
        read_vectors(tmp_path, {"hi"}, 3)
    folder(tmp_path, "b.vec"), folder(tmp_path, "a.txt")
    with pytest.raises(CheckpointError, match=r"found a\.txt, b\.vec"):
        read_vectors(tmp_path, {"hi"}, 3)


# --- FastText's binary files

KNOWN = ("the", "cat", "sat", "Zürich", "mat")


def save_binary(path, words=KNOWN, dim=4, bucket=50, shortest=3, longest=6, rows=None, **changed):
    """A model as FastText::saveModel writes it, input matrix only (gensim needs the output matrix as well)."""
    header = {
        "magic": 793712314,
        "version": 12,
        "model": 2,
        "labels": 0,
        "pruned": -1,
        "quantised": False,
    } | changed
    matrix = (
        np.random.default_rng(0)
        .normal(size=(len(words) + bucket if rows is None else rows, dim))
        .astype("<f4")
    )
    with path.open("wb") as file:
        file.write(struct.pack("<2i", header["magic"], header["version"]))
        file.write(
            struct.pack(
                "<12id",
                dim,
                5,
                5,
                1,
                5,
                1,
                2,
                header["model"],
                bucket,
                shortest,
                longest,
                100,
                1e-4,
            )
        )
        file.write(
            struct.pack("<3i2q", len(words), len(words), header["labels"], 1000, header["pruned"])
        )
        for number, word in enumerate(words):
            file.write(word.encode() + b"\0" + struct.pack("<qb", 100 - number, 0))
        for array in (matrix, matrix[: len(words)]):
            file.write(struct.pack("<?2q", header["quantised"], *array.shape) + array.tobytes())
    return path.parent


@pytest.mark.parametrize(
    ("shortest", "longest", "bucket"), [(3, 6, 50), (1, 2, 7), (5, 5, 200_000), (0, 0, 0)]
)
def test_vectors_of_known_and_unknown_words_are_gensim_s(tmp_path, shortest, longest, bucket):
    fasttext = pytest.importorskip("gensim.models.fasttext")
    save_binary(tmp_path / "model.bin", shortest=shortest, longest=longest, bucket=bucket)
    theirs = fasttext.load_facebook_vectors(str(tmp_path / "model.bin"))
    words = [*KNOWN, "cats", "a", "naïve", "Ωmega", "日本語", "!"]
    ours = read_vectors(tmp_path, words, 4)
    assert set(ours) >= set(KNOWN) and (len(ours) > len(KNOWN)) == (bucket > 0)
    for word in (
        words if bucket else KNOWN
    ):  # without a single subword theirs is zero, and ours unknown
        np.testing.assert_allclose(
            ours.get(word, np.zeros(4)), theirs[word], rtol=1e-5, atol=1e-6, err_msg=word
        )


def test_a_known_lower_case_goes_before_subwords(tmp_path):
    save_binary(tmp_path / "model.bin")
    read = read_vectors(tmp_path, {"CAT", "cat", "DOG"}, 4)
    assert np.array_equal(read["CAT"], read["cat"]) and not np.array_equal(read["DOG"], read["cat"])


@pytest.mark.parametrize(
    ("changed", "message"),
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
def test_a_hostile_binary_file_is_refused(tmp_path, changed, message):
    save_binary(tmp_path / "model.bin", **changed)
    with pytest.raises(CheckpointError, match=f"model.bin: .*{message}|model.bin: {message}"):
        read_vectors(tmp_path, {"cat"}, 4)


def test_a_truncated_binary_file_is_refused_wherever_it_was_cut(tmp_path):
    save_binary(tmp_path / "model.bin", dim=4, bucket=5)
    data = (tmp_path / "model.bin").read_bytes()
    output_matrix = 17 + 4 * 4 * len(KNOWN)  # not read
    for size in range(0, len(data) - output_matrix, 7):
        (tmp_path / "model.bin").write_bytes(data[:size])
        with pytest.raises(CheckpointError, match="broken or truncated"):
            read_vectors(tmp_path, {"cat"}, 4)


def test_a_vector_that_is_not_finite_is_refused(tmp_path):
    save_binary(tmp_path / "model.bin", bucket=0, longest=0)
    data = bytearray((tmp_path / "model.bin").read_bytes())
    at = len(data) - 2 * 4 * 4 * len(KNOWN) - 17  # the first row
    data[at : at + 4] = struct.pack("<f", np.nan)
    (tmp_path / "model.bin").write_bytes(data)
    assert set(read_vectors(tmp_path, {"cat"}, 4)) == {"cat"}
    with pytest.raises(CheckpointError, match="the vector of 'the' is not finite"):
        read_vectors(tmp_path, {"the"}, 4)
