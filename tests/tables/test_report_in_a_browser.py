"""The report in headless Chromium, opened from disk, on a desk and on a phone."""

import re
import shutil

import pandas as pd
import pytest
from support import REPORTED
from support.browser import CHROMIUM, chromium

from merflow.evaluation.score import score
from merflow.params import EvaluationParams
from merflow.tables.compare import build
from merflow.tables.report import write

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: `apt install chromium`")
WIDTHS = (1280, 390)
TEST_TABLE = "document.getElementById('weighted_late_fusion-meld-test').querySelector('table')"
HEADERS = f"{TEST_TABLE}.tHead.rows[1].cells"
#: Style of the first plot.
PLOT_FILTER = "getComputedStyle(document.querySelector('.plot img')).filter"
#: Sentences about the faults of a page.
FAULTS = """(async () => {
  const faults = [], ids = new Set();
  for (const details of document.querySelectorAll('details')) details.open = true;
  for (const { id } of document.querySelectorAll('[id]')) {
    if (ids.has(id)) faults.push('id twice: ' + id);
    ids.add(id);
  }
  for (const link of document.querySelectorAll('a[href]')) {
    const target = new URL(link.href), anchor = target.hash.slice(1);
    const inside = target.pathname === location.pathname;
    if (target.protocol !== 'file:') faults.push('leads out: ' + link.href);
    if (inside && anchor && !ids.has(anchor)) faults.push('no such anchor: ' + anchor);
    if (!link.textContent.trim()) faults.push('link without text: ' + link.href);
  }
  for (const image of document.images) {
    image.loading = 'eager';
    await image.decode().catch(() => faults.push('no image: ' + image.src));
    if ((image.alt ?? '').length < 40) faults.push('no alternative: ' + image.src);
  }
  for (const element of document.querySelectorAll('button, summary, th[scope=col]'))
    if (!element.textContent.trim()) faults.push('no text: ' + element.outerHTML);
  for (const element of document.querySelectorAll('[aria-labelledby]')) {
    const label = document.getElementById(element.getAttribute('aria-labelledby'));
    if (!label?.textContent.trim()) faults.push('no label: ' + element.outerHTML.slice(0, 80));
  }
  for (const element of document.body.querySelectorAll('*')) {
    const mayScroll = ['auto', 'scroll'].includes(getComputedStyle(element).overflowX);
    if (mayScroll && element.scrollWidth > element.clientWidth && element.tabIndex !== 0)
      faults.push('does not scroll by keyboard: ' + element.outerHTML.slice(0, 80));
  }
  const { clientWidth, scrollWidth } = document.documentElement;
  if (scrollWidth > clientWidth) faults.push(`needs ${scrollWidth} of ${clientWidth} pixels`);
  return faults;
})()"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Folder for all tests: report/, results/ and the scores."""
    return tmp_path_factory.mktemp("kept") / "all"


@pytest.fixture
def report(kept, tmp_path, make_corpus, make_result):
    """Report of two systems, one of them under two protocols."""
    if not kept.exists():
        corpus = make_corpus()
        results = [
            make_result(corpus, "text_bert_8", "clean", skill=0.7),
            make_result(corpus, "text_bert_32", "clean", skill=0.4),
            make_result(corpus, "text_bert_8", "as_published", (1,), skill=0.9),
        ]
        evaluation = EvaluationParams(resamples=100, confidence=0.95, seed=1)
        score(results, [corpus], evaluation, tmp_path / "scores")
        build(tmp_path / "scores", REPORTED, tmp_path / "tables")
        write(tmp_path / "tables", results, [corpus], [], tmp_path / "report")
        shutil.copytree(tmp_path, kept)
    return kept / "report"


@pytest.fixture
def tab(tmp_path):
    with chromium(tmp_path / "profile") as tab:
        yield tab
        assert tab.complaints == []
        assert [url for url in tab.requests if not url.startswith(("file://", "about:"))] == []


@pytest.fixture
def results_table(report, tab):
    """Table of test results as a browser shows it."""
    tab.open(report / "weighted_late_fusion.html", 1280)
    return ShownTable(tab)


class ShownTable:
    """Table of test results on an open page."""

    def __init__(self, tab):
        self.tab = tab

    @property
    def rows(self):
        """Texts of all cells."""
        text = "[...row.cells].map(cell => cell.textContent.trim())"
        return self.tab.run(f"[...{TEST_TABLE}.tBodies[0].rows].map(row => {text})")

    @property
    def headers(self):
        """Header of each column, with the header of its group."""
        groups = self.tab.run(
            f"[...{TEST_TABLE}.tHead.rows[0].cells].map(cell => [cell.textContent, cell.colSpan])"
        )
        names = self.tab.run(f"[...{HEADERS}].map(cell => cell.textContent.trim())")
        of_column = [group for group, span in groups for _ in range(span)]
        return list(zip(of_column, names, strict=True))

    @property
    def systems(self):
        """System of each row of ours, and the first cell of other rows."""
        anchors = self.tab.run(
            f"[...{TEST_TABLE}.tBodies[0].rows].map(row => row.querySelector('a')?.hash ?? '')"
        )
        return [
            anchor[1:].removesuffix("-meld") or cells[0]
            for anchor, cells in zip(anchors, self.rows, strict=True)
        ]

    @property
    def orders(self):
        """Sort order of each column."""
        return self.tab.run(f"[...{HEADERS}].map(cell => cell.getAttribute('aria-sort'))")


def test_no_page_has_a_fault_at_either_width(report, tab):
    pages = sorted(report.glob("*.html"))
    assert len(pages) > 3
    skip = "getComputedStyle(document.querySelector('.skip')).position"
    for page in pages:
        for width in WIDTHS:
            tab.open(page, width)
            assert tab.run(FAULTS) == [], (page.name, width)
            assert tab.run(skip) == "absolute"  # the style sheet is loaded


def percent(values):
    """Mean, and standard deviation where there are several values."""
    spread = f" ± {100 * values.std():.2f}" if len(values) > 1 else ""
    return f"{100 * values.mean():.2f}{spread}"


def test_accuracies_are_recomputed_from_predictions(results_table, kept):
    rows, systems, headers = results_table.rows, results_table.systems, results_table.headers
    paths = list((kept / "results").rglob("predictions.parquet"))
    assert len(paths) == 3
    for path in paths:
        test = pd.read_parquet(path).query("split == 'test'")
        correct = test["labels"].str[0] == test["predicted"].str[0]
        expected = percent(correct.groupby(test["seed"]).mean())
        system, protocol = path.parts[-3], path.parent.name.removeprefix("meld-")
        column = headers.index((f"{protocol.replace('_', ' ')}, demo corpus", "accuracy"))
        cells = {row[column] for row, name in zip(rows, systems, strict=True) if name == system}
        assert cells == {expected}


def test_scores_are_the_scored_means(results_table, kept):
    scores = pd.read_parquet(kept / "scores" / "scores.parquet").query("split == 'test'")
    means = scores[scores[["seed", "class", "fold"]].isna().all(axis=1)]
    means = means.set_index(["system", "protocol", "metric"])
    compared = 0
    for system, cells in zip(results_table.systems, results_table.rows, strict=True):
        for (group, header), cell in zip(results_table.headers, cells, strict=True):
            protocol = group.removesuffix(", demo corpus").replace(" ", "_")
            key = (system, protocol, header.replace("weighted F1", "weighted_f1"))
            if key in means.index:
                mean = means.loc[key]
                spread = "" if pd.isna(mean["std"]) else f" ± {100 * mean['std']:.2f}"
                assert cell == f"{100 * mean['value']:.2f}{spread}"
                compared += 1
            elif group.endswith("demo corpus") and key[2] in ("accuracy", "weighted_f1"):
                assert cell in ("–", "not run"), key
    # two measures of three results, and of two baselines under two protocols
    assert compared >= 2 * (3 + 2 * 2)
    assert {"majority", "chance"} <= {cells[0] for cells in results_table.rows}


def numbers(cells):
    """First number of each cell, or None."""
    matches = [re.search(r"-?\d+(\.\d+)?", cell.replace("\N{MINUS SIGN}", "-")) for cell in cells]
    return [float(match[0]) if match else None for match in matches]


def test_a_column_of_numbers_sorts_by_click_and_key(results_table, tab):
    original, headers = results_table.rows, results_table.headers
    column = max(k for k, (_, name) in enumerate(headers) if name == "weighted F1")
    button = f"{HEADERS}[{column}].querySelector('button')"
    unsorted = [None] * len(headers)
    tab.click(button)
    rows = results_table.rows
    values = numbers(row[column] for row in rows)
    ascending = sorted(value for value in values if value is not None)
    assert len(set(ascending)) > 2
    assert values == ascending + [None] * (len(values) - len(ascending))  # empty cells come last
    assert results_table.orders == [
        *unsorted[:column],
        "ascending",
        *unsorted[column + 1 :],
    ]
    assert sorted(rows) == sorted(original) and rows != original  # whole rows move
    tab.run(f"{button}.focus()")
    tab.press("Enter")
    values = numbers(row[column] for row in results_table.rows)
    assert [value for value in values if value is not None] == ascending[::-1]
    assert results_table.orders[column] == "descending"
    tab.press(" ")
    assert (results_table.rows, results_table.orders) == (original, unsorted)


def test_a_column_of_words_sorts_by_click(results_table, tab):
    first = results_table.rows[0][0]
    tab.click(f"{HEADERS}[0].querySelector('button')")
    names = [row[0] for row in results_table.rows]
    words = [name.lower().split()[0] for name in names if name.startswith(("text", "audio"))]
    assert words == sorted(words) and names[0] != first


def test_the_first_key_skips_to_the_content(report, tab):
    tab.open(report / "weighted_late_fusion.html", 1280)
    tab.press("Tab")
    assert tab.run("document.activeElement.textContent") == "Skip to content"
    assert tab.run("document.activeElement.getBoundingClientRect().left") >= 0
    assert tab.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.press("Enter")
    assert tab.run("location.hash") == "#main"


def test_dark_pages_have_light_ink_and_inverted_plots(report, tab):
    page = report / "weighted_late_fusion.html"
    tab.open(page, 1280, dark=True)
    digits = "match(/\\d+/g).slice(0, 3).map(Number)"
    ink, ground = (
        tab.run(f"getComputedStyle(document.body).{name}.{digits}")
        for name in ("color", "backgroundColor")
    )
    assert min(ink) > 200 and max(ground) < 40
    assert "invert" in tab.run(PLOT_FILTER)
    tab.open(page, 1280)
    assert tab.run(PLOT_FILTER) == "none"


def test_a_link_unfolds_its_target(report, tab):
    anchor = "weighted_late_fusion-meld-seeds"
    tab.open(report / "weighted_late_fusion.html", 1280, anchor=anchor)
    assert tab.run("document.querySelector(':target').closest('details').open")


def test_no_table_is_cut_on_paper(report, tab, tmp_path):
    tab.open(report / "weighted_late_fusion.html", 1032)  # A4 landscape between its margins
    tab.ask("Emulation.setEmulatedMedia", media="print")
    cut = "figure.querySelector('table').offsetWidth > figure.clientWidth + 1"
    figures = "[...document.querySelectorAll('figure.table')]"
    assert tab.run(f"{figures}.filter(figure => {cut}).map(figure => figure.id)") == []
    hidden = "getComputedStyle(element).display === 'none'"
    elements = "[...document.querySelectorAll('nav, .files')]"
    assert tab.run(f"{elements}.every(element => {hidden})")
    tab.print(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


def test_everything_is_readable_without_script(report, tab):
    tab.ask("Emulation.setScriptExecutionDisabled", value=True)
    tab.open(report / "weighted_late_fusion.html", 1280)
    root = tab.ask("DOM.getDocument", depth=-1)["root"]["nodeId"]

    def count(selector):
        answer = tab.ask("DOM.querySelectorAll", nodeId=root, selector=selector)
        return len(answer["nodeIds"])

    assert count("th button") == 0 and count("tbody a") > 3
