"""Rules about words, read from the source with ast: docstrings and names of tests stay short."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ROOT

SOURCES = sorted(
    path for folder in ("src/merflow", "workflow/lib") for path in (ROOT / folder).rglob("*.py")
)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
WORDS_OF_A_FIRST_LINE = 15
WORDS_OF_A_SENTENCE = 25
CHARACTERS_OF_A_TEST = 60
CLAUSE = re.compile(r"(What|Those|Of|Whether|Who|Which|How|Where|That)\b")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
# An item of a list, a row of a table, a heading such as `Args:`, an indented entry `name: text`.
ITEM = re.compile(r" *([-*] |\d+\. |\S.* {2,}\S|.*:$)| +[\w`*.,/() <>-]{1,40}: ")


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
            yield node.body[0].lineno, text


def words(text: str) -> int:
    """Number of words. A code literal is one word, and signs of a formula are none."""
    text = re.sub(r"``.+?``|`.+?`", "code", text)
    return sum(any(map(str.isalnum, word)) for word in text.split())


def sentences(text: str) -> list[str]:
    """Sentences of a paragraph."""
    return re.split(r"(?<=[.!?]) ", " ".join(text.split()))


def paragraphs(text: str) -> Iterator[str]:
    """Paragraphs, items of lists, and entries of a section: a sentence lies inside one of them."""
    lines: list[str] = []
    indent = 0
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip())
        begins = not line.strip() or depth < indent or ITEM.match(line)
        if begins and lines:
            yield " ".join(lines)
            lines = []
        if line.strip():
            indent = depth
            lines.append(line.strip())
    if lines:
        yield " ".join(lines)


def first_sentence(text: str) -> str:
    return sentences(text.split("\n\n")[0])[0]


def misfits(texts, rule) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line}: {text!r}"
        for path in texts
        for line, docstring in docstrings(path)
        for text in rule(docstring)
    ]


def long_first_lines(text: str) -> list[str]:
    first = first_sentence(text)
    return [first] if words(first) > WORDS_OF_A_FIRST_LINE else []


def clauses(text: str) -> list[str]:
    return [first_sentence(text)] if CLAUSE.match(text) else []


def long_sentences(text: str) -> list[str]:
    return [
        sentence
        for paragraph in paragraphs(text)
        for sentence in sentences(paragraph)
        if any(words(piece) > WORDS_OF_A_SENTENCE for piece in re.split("[:;] ", sentence))
    ]


@pytest.mark.parametrize("rule", [long_first_lines, clauses, long_sentences])
def test_docstrings_follow_the_rules_of_words(rule):
    assert not misfits(SOURCES, rule)


def test_names_of_tests_are_short():
    names = [
        node.name
        for path in TESTS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert not [name for name in names if len(name) > CHARACTERS_OF_A_TEST]
