"""Names of classes that each form of a table takes for markup are shown as they are."""

from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from merflow.corpora import annotations
from merflow.tables.html import page
from merflow.tables.plots import attention, confusion
from merflow.tables.render import Table, number, render, words
from merflow.tables.svg import SVG

NAMES = (
    *("a|b <b>[x]_$", "$a$ and $b$", "_x_ *y* **z**", "`c`", "[d](http://e)", "![f](g)", "a & b"),
    *("&lt;i&gt;", "<script>", "~~h~~", "i\\j", "100 % #1 {k}", "<!-- l -->", "[m]: n", "\\|o"),
)


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    """All forms of a table that is headed by classes of a corpus of one's own."""
    folder = tmp_path_factory.mktemp("own")
    texts = [f'a.wav{k},t,"{name}",s{k % 3},,' for k, name in enumerate(NAMES)]
    path = folder / "mine.csv"
    path.write_text("\n".join(["clip,text,label,speaker,dialogue,split", *texts]), encoding="utf-8")
    classes = annotations.read(path).classes
    assert sorted(NAMES) == classes
    frame = pd.DataFrame({"class": classes, **dict.fromkeys(classes, 1.0)})
    columns = (words("class", "class"), *(number(name, name) for name in classes))
    return classes, render(Table("t", "T.", "C.", frame, columns))


class Cells(HTMLParser):
    """Texts of the cells of a page."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.tags = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data):
        if self.cells:
            self.cells[-1] += data


def first_cells(text):
    """First cells of all rows below the header, without blanks around."""
    return [cell.strip() for cell in Cells(text).cells if cell.strip() in NAMES]


def test_html_shows_names_as_they_are(forms):
    classes, files = forms
    text = page("T.", [files["t.html"]])
    assert first_cells(text) == classes * 2  # header and rows
    assert not Cells(text).tags & {"b", "i", "script"}


def test_markdown_shows_names_as_they_are(forms):
    classes, files = forms
    text = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(files["t.md"])
    assert first_cells(text) == classes * 2
    assert not Cells(text).tags & {"b", "i", "em", "strong", "code", "a", "img", "s", "script"}


def test_latex_escapes_names(forms):
    _, files = forms
    rows = [line for line in files["t.tex"].splitlines() if line.endswith("\\\\")]
    assert len(rows) == 1 + len(NAMES)
    assert "a|b <b>[x]\\_\\$ &" in files["t.tex"]
    assert "\\textasciigrave c\\textasciigrave " in files["t.tex"]


def test_figures_show_names_as_they_are():
    n = len(NAMES)
    plots = [
        confusion(np.eye(n), NAMES),
        attention(np.full((n, 2), 0.5), np.eye(n), NAMES, ("text", "audio")),
    ]
    for plot in plots:
        texts = {text.text for text in ElementTree.fromstring(plot.svg).iter(f"{{{SVG}}}text")}
        assert set(NAMES) <= texts
