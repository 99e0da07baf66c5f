"""params.yaml and other YAML of a user: both tools read the same, or the line is named."""

import pytest
import yaml
from ruamel.yaml import YAML

from merflow import params
from merflow.errors import ParamsError
from merflow.params import yaml_text

DIFFERENT = {
    "yes": 'true or "yes"',
    "No": 'false or "No"',
    "on": 'true or "on"',
    "OFF": 'false or "OFF"',
    "1e-3": '"1e-3" or 0.001',
    "1e-5": '"1e-5" or 1.0e-05',
    "1.0e3": '"1.0e3" or 1000.0',
    "010": "8 or 10",
    "0o10": '"0o10" or 8',
    "08": '"08" or 8',
    "1:30": '90 or "1:30"',
    "12:30:45": '45045 or "12:30:45"',
    "+.5": '"+.5" or 0.5',
}
ALIKE = ["true", "~", "null", "", ".inf", ".nan", "1_000", "0x1F", "0b11", "1.0e-3", ".5", "y", "N"]
ALIKE += ["2001-01-01", "2001-01-01T00:00:00Z", "'yes'", '"1e-3"', "one two", "http://a:80/b", "-3"]


@pytest.mark.parametrize("value", DIFFERENT)
def test_a_value_that_yaml_versions_read_differently_is_refused(value):
    text = f"a: 1\nb:\n  c: {value}\n"
    with pytest.raises(ParamsError) as error:
        yaml_text.parse(text, "params.yaml")
    message = str(error.value)
    assert message.startswith(f"params.yaml, line 3: b.c: {value} is ")
    assert f"write {DIFFERENT[value]}, whichever you mean" in message


@pytest.mark.parametrize("value", DIFFERENT)
def test_the_values_to_write_are_read_alike(value):
    for advised in DIFFERENT[value].split(" or "):
        yaml_text.parse(f"a: {advised}", "params.yaml")


@pytest.mark.parametrize("value", ALIKE)
def test_other_values_are_taken_and_mean_the_same_to_both(value):
    text = f"a: {value}\n"
    taken = yaml_text.parse(text, "params.yaml")
    assert repr(taken) == repr(yaml.safe_load(text))
    other = YAML(typ="safe").load(text)
    assert taken == other or repr(taken) == repr(other)


def test_anchors_merges_and_windows_lines_are_taken():
    text = "a: &a {b: 1}\r\nc:\r\n  <<: *a\r\n  b: 2\r\nd: [*a, *a]\r\n"
    values = {"a": {"b": 1}, "c": {"b": 2}, "d": [{"b": 1}, {"b": 1}]}
    assert yaml_text.parse(text, "params.yaml") == values


BROKEN = {
    "a: 1\nb:\n  c: 1\n  c: 2\n": "line 4: b.c is in line 3 already; remove one of the two",
    "a: 1\n'a': 2\n": "line 2: a is in line 1 already",
    "a: {b: 1}\nc:\n  <<: {}\n  <<: {}\n": "line 4: c.<< is in line 3 already",
    "a: 1\n<<<<<<< HEAD\nb: 1\n": "line 2: has conflict markers of git; .*--ours params.yaml",
    "a:\n\tb: 1\n": "line 2: not YAML: found character that cannot start any token",
    "yes: 1\n": "line 1: yes is true in YAML 1.1",
    "a: 1\n---\nb: 1\n": "line 2: not YAML: but found another document",
    "a: !!python/name:os.x\n": "line 1: not YAML: could not determine a constructor",
    "a: !!float ''\n": "not YAML: ",
    "a: \x07\n": "not YAML: .*control characters are not allowed",
    "? [a]\n: 1\n": "line 1: not YAML: found unhashable key",
}


@pytest.mark.parametrize("text", BROKEN)
def test_broken_yaml_is_one_line_with_its_number(text):
    with pytest.raises(ParamsError, match=rf"^params.yaml.*{BROKEN[text]}") as error:
        yaml_text.parse(text, "params.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\n# caf\xe9\n", "line 2: byte E9 is not UTF-8; save the file as UTF-8"),
        ("a: 1\n".encode("utf-16"), "line 1: byte FF is not UTF-8"),
        (b"", "is empty; make it anew with `merflow params demo --force`"),
        (b"- a\n", "expected keys with values, not "),
        (b"text", "expected keys with values, not 'text'"),
        (b"null: 1", "run: missing"),
        (b"1: 1", "run: missing"),
    ],
)
def test_a_params_file_that_is_none_is_one_line(tmp_path, content, message):
    (tmp_path / "params.yaml").write_bytes(content)
    with pytest.raises(ParamsError, match=rf"params.yaml.*({message})") as error:
        params.load(tmp_path / "params.yaml")
    assert "\n" not in str(error.value)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    (tmp_path / "params.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    text = yaml_text.read(tmp_path / "params.yaml", "")
    assert yaml_text.parse(text, "params.yaml") == {"a": 1}


def test_a_folder_in_place_of_the_file_is_one_line(tmp_path):
    with pytest.raises(ParamsError, match="cannot be read: is a folder; a file is expected here"):
        yaml_text.read(tmp_path, "")
