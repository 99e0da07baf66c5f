"""LaTeX of tables: checked without TeX, and set by TeX where it is installed."""

import re
import shutil
import subprocess

import pandas as pd
import pytest
from support import ROOT
from support.score_tables import no_scores

from merflow.tables import latex
from merflow.tables.compare import build
from merflow.tables.render import Table, number, prose, words

#: docs/tables.md names them.
PACKAGES = ("[T1]{fontenc}", "{booktabs}", "{longtable}", "{adjustbox}", "{pdflscape}")
NASTY = "a_b & 50 % of #1 {x} ~ ^ \\ $5 “q” ’s – — … é ± × ≥ ≤ → −3"
#: Signs besides ASCII that LaTeX takes from UTF-8 as they are, with T1.
PLAIN = set("“”‘’–—…§ÀÁÂÄÇÈÉÊËÎÏÔÖÙÚÛÜßàáâäçèéêëîïñôöùúûü")
CELL = re.compile(r"(?<!\\)&")


def latex_of(rows, column=words):
    frame = pd.DataFrame(rows, columns=["text", "share"])
    columns = (column("text", "text", group="a_group"), number("F1 %", "share"))
    return latex.latex(Table("t", "T.", "C.", frame, columns).rendered)


LATEX = {
    "short": latex_of([(NASTY, 1), ("[5]", 2)]),
    "first": latex_of([("[5] et al.", 1), (NASTY, 2)]),
    "sentences": latex_of([(NASTY * 5, 1)], prose),
    "long": latex_of([(NASTY, k) for k in range(latex.LONG + 1)]),
}


def faults(text):
    """Faults in the LaTeX of a table: braces, special signs, rows of another length."""
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    if strange := {sign for sign in body if ord(sign) > 127} - PLAIN:
        yield f"signs {strange}"
    bare = re.sub(r"\\[\\&%$#_{}]", "", body)
    if bare.count("{") != bare.count("}"):
        yield "braces"
    outside = re.sub(r"\$(\\[a-z]+|-)\$", "", bare)
    if signs := set(outside) & set("%$#_^~"):
        yield f"not escaped: {signs}"
    spec = re.search(r"\\begin\{(?:tabular|longtable)\}\{((?:[lr]|p\{[\d.]+cm\})+)\}", body)
    width = len(re.sub(r"\{[\d.]+cm\}", "", spec[1]))
    for row in re.findall(r"^(.*?) \\\\$", body, flags=re.MULTILINE):
        spans = [int(span) for span in re.findall(r"\\multicolumn\{(\d+)\}", row)]
        if len(CELL.findall(row)) + 1 - len(spans) + sum(spans) != width:
            yield f"{row}: not {width} cells"
    if re.search(r"^\[", body, flags=re.MULTILINE):
        yield "a row begins with a bracket"


@pytest.mark.parametrize("name", LATEX)
def test_latex_of_any_text_is_valid(name):
    assert list(faults(LATEX[name])) == []


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
def test_the_check_finds_faults(old, new):
    text = LATEX["short"]
    assert old in text and list(faults(text.replace(old, new)))


def test_a_table_names_its_packages():
    first = {name: text.splitlines()[0] for name, text in LATEX.items()}
    assert first["short"].startswith("% \\usepackage{booktabs} ")
    assert first["long"].startswith("% \\usepackage{booktabs,longtable} ")
    guide = (ROOT / "docs/tables.md").read_text()
    assert all(f"\\usepackage{package}" in guide for package in PACKAGES)


def test_long_tables_and_sentences_break_over_pages():
    second = {name: text.splitlines()[1] for name, text in LATEX.items()}
    assert second["short"].startswith("\\begin{tabular}")
    assert second["long"].startswith("\\begin{longtable}")
    assert second["sentences"].startswith("\\begin{longtable}")


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """LaTeX of all five papers without any run: printed figures, and quotations."""
    folder = tmp_path_factory.mktemp("printed")
    no_scores().write(folder / "scores")
    build(folder / "scores", ROOT / "reported", folder / "tables")
    return {file.name: file.read_text() for file in sorted((folder / "tables").rglob("*.tex"))}


def test_latex_of_all_papers_is_valid(printed):
    assert len(printed) > 5
    assert {name: list(faults(text)) for name, text in printed.items()} == {
        name: [] for name in printed
    }


@pytest.mark.skipif(
    shutil.which("pdflatex") is None,
    reason="pdflatex is not installed (Debian: texlive-latex-extra)",
)
def test_tex_sets_the_tables(tmp_path, printed):
    lines = ["\\documentclass{article}"]
    lines += [f"\\usepackage{package}" for package in PACKAGES]
    lines += ["\\begin{document}"]
    for text in [*LATEX.values(), *printed.values()]:
        begin, end = (
            ("landscape}\\footnotesize", "landscape")
            if "longtable}" in text
            else ("adjustbox}{max width=\\linewidth}", "adjustbox")
        )
        lines += [f"\\begin{{{begin}", text, f"\\end{{{end}}}\\par"]
    (tmp_path / "all.tex").write_text("\n".join([*lines, "\\end{document}"]))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    process = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False
    )
    errors = [line for line in process.stdout.splitlines() if line.startswith(("!", "l."))]
    assert process.returncode == 0, "\n".join(errors)
    assert (tmp_path / "all.pdf").stat().st_size > 10_000
