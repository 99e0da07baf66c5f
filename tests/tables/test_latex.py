"""LaTeX of tables: valid without a look at TeX, and set by it where it is installed."""

import re
import shutil
import subprocess

import pandas as pd
import pytest
from support import ROOT

from merflow import artifacts
from merflow.store import write_table
from merflow.tables.compare import build
from merflow.tables.render import LONG, Table, latex, number, prose, words

PACKAGES = (
    "[T1]{fontenc}",
    "{booktabs}",
    "{longtable}",
    "{adjustbox}",
    "{pdflscape}",
)  # docs/tables.md names them
NASTY = "a_b & 50 % of #1 {x} ~ ^ \\ $5 “q” ’s – — … é ± × ≥ ≤ → −3"
#: Besides ASCII what LaTeX takes from UTF-8 as it is, with T1.
TAKEN = set("“”‘’–—…§ÀÁÂÄÇÈÉÊËÎÏÔÖÙÚÛÜßàáâäçèéêëîïñôöùúûü")
CELL = re.compile(r"(?<!\\)&")


def of(rows, sentences=False):
    column = (
        prose("said", "said", "a_group") if sentences else words("said", "said", group="a_group")
    )
    return Table(
        "t",
        "T.",
        "C.",
        pd.DataFrame(rows, columns=["said", "share"]),
        (column, number("F1 %", "share")),
    )


TABLES = {
    "short": of([(NASTY, 1), ("[5]", 2)]),
    "first": of([("[5] et al.", 1), (NASTY, 2)]),
    "sentences": of([(NASTY * 5, 1)], sentences=True),
    "long": of([(NASTY, k) for k in range(LONG + 1)]),
}


def refused(text):
    """What is wrong with the LaTeX of a table: braces, signs that mean something or that fonts lack, rows of another length."""
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    if strange := {sign for sign in body if ord(sign) > 127} - TAKEN:
        yield f"signs {strange}"
    bare = re.sub(r"\\[\\&%$#_{}]", "", body)
    if bare.count("{") != bare.count("}"):
        yield "braces"
    outside = re.sub(r"\$(\\[a-z]+|-)\$", "", bare)
    if found := set(outside) & set("%$#_^~"):
        yield f"not escaped: {found}"
    spec = re.search(r"\\begin\{(?:tabular|longtable)\}\{((?:[lr]|p\{[\d.]+cm\})+)\}", body)
    width = len(re.sub(r"\{[\d.]+cm\}", "", spec[1]))
    for row in re.findall(r"^(.*?) \\\\$", body, flags=re.MULTILINE):
        spans = [int(span) for span in re.findall(r"\\multicolumn\{(\d+)\}", row)]
        if len(CELL.findall(row)) + 1 - len(spans) + sum(spans) != width:
            yield f"{row}: not {width} cells"
    if re.search(r"^\[", body, flags=re.MULTILINE):
        yield "a row begins with a bracket"


@pytest.mark.parametrize("name", TABLES)
def test_latex_of_any_text_is_valid(name):
    assert list(refused(latex(TABLES[name]))) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a\\_b", "a_b"),
        ("50 \\%", "50 %"),
        ("\\{x\\}", "\\{x}"),
        ("$\\pm$", "±"),
        ("& 1 ", "& 1 & 1 "),
        ("{[}5", "[5"),
        ("\\$5", "$5"),
    ],
)
def test_the_check_finds_what_is_wrong(old, new):
    text = latex(TABLES["short"])
    assert old in text and list(refused(text.replace(old, new)))


def test_a_table_names_its_packages_and_breaks_over_pages_where_it_is_long():
    short, long = latex(TABLES["short"]).splitlines(), latex(TABLES["long"]).splitlines()
    assert short[0].startswith("% \\usepackage{booktabs} ") and short[1].startswith(
        "\\begin{tabular}"
    )
    assert long[0].startswith("% \\usepackage{booktabs,longtable} ") and long[1].startswith(
        "\\begin{longtable}"
    )
    assert latex(TABLES["sentences"]).splitlines()[1].startswith("\\begin{longtable}")
    guide = (ROOT / "docs/tables.md").read_text()
    assert all(f"\\usepackage{package}" in guide for package in PACKAGES)


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Tables of all five papers without any run: their printed figures, and quotations."""
    folder = tmp_path_factory.mktemp("printed")
    empty = pd.DataFrame(columns=artifacts.SCORES.names)
    write_table(
        folder / "scores.parquet", empty, artifacts.SCORES, {"evaluation": {"confidence": 0.95}}
    )
    build(folder / "scores.parquet", ROOT / "reported", folder / "tables")
    return sorted((folder / "tables").rglob("*.tex"))


def test_latex_of_all_papers_is_valid(printed):
    assert len(printed) > 5
    assert {
        file.name: found for file in printed if (found := list(refused(file.read_text())))
    } == {}


@pytest.mark.skipif(
    shutil.which("pdflatex") is None,
    reason="pdflatex is not installed (Debian: texlive-latex-extra)",
)
def test_tex_sets_the_tables(tmp_path, printed):
    texts = [*map(latex, TABLES.values()), *(file.read_text() for file in printed)]
    parts = [
        "\\documentclass{article}",
        *(f"\\usepackage{package}" for package in PACKAGES),
        "\\begin{document}",
    ]
    for text in texts:
        wide = (
            ("landscape}\\footnotesize", "landscape")
            if "longtable}" in text
            else ("adjustbox}{max width=\\linewidth}", "adjustbox")
        )
        parts += [f"\\begin{{{wide[0]}", text, f"\\end{{{wide[1]}}}\\par"]
    (tmp_path / "all.tex").write_text("\n".join([*parts, "\\end{document}"]))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False
    )
    assert done.returncode == 0, "\n".join(
        line for line in done.stdout.splitlines() if line.startswith(("!", "l."))
    )
    assert (tmp_path / "all.pdf").stat().st_size > 10_000
