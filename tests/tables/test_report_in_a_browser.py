"""The report as people meet it: opened from disk in headless Chromium, at the width of a desk and of a phone."""

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
TEST_TABLE = "document.getElementById('weighted_late_fusion-meld-test')"
CELLS = (
    "[...{table}.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.textContent.trim()))"
)
#: What is wrong with a page, in words
FAULTS = """(async () => {
  const wrong = [], seen = new Set();
  for (const one of document.querySelectorAll('details')) one.open = true;
  for (const { id } of document.querySelectorAll('[id]')) { if (seen.has(id)) wrong.push('id twice: ' + id); seen.add(id); }
  for (const link of document.querySelectorAll('a[href]')) {
    const to = new URL(link.href);
    if (to.protocol !== 'file:') wrong.push('leads out: ' + link.href);
    if (to.pathname === location.pathname && to.hash && !seen.has(to.hash.slice(1))) wrong.push('no such place: ' + to.hash);
    if (!link.textContent.trim()) wrong.push('link without words: ' + link.href);
  }
  for (const image of document.images) {
    image.loading = 'eager';
    await image.decode().catch(() => wrong.push('no picture: ' + image.src));
    if ((image.alt ?? '').length < 40) wrong.push('no alternative: ' + image.src);
  }
  for (const one of document.querySelectorAll('button, summary, th[scope=col]'))
    if (!one.textContent.trim()) wrong.push('no words: ' + one.outerHTML);
  for (const one of document.querySelectorAll('[aria-labelledby]')) {
    const label = document.getElementById(one.getAttribute('aria-labelledby'));
    if (!label?.textContent.trim()) wrong.push('no label: ' + one.outerHTML.slice(0, 80));
  }
  for (const one of document.body.querySelectorAll('*')) {
    const scrolls = ['auto', 'scroll'].includes(getComputedStyle(one).overflowX) && one.scrollWidth > one.clientWidth;
    if (scrolls && one.tabIndex !== 0) wrong.push('scrolls, but not by keyboard: ' + one.outerHTML.slice(0, 80));
  }
  const room = document.documentElement.clientWidth, needed = document.documentElement.scrollWidth;
  if (needed > room) wrong.push(`needs ${needed} of ${room} pixels`);
  return wrong;
})()"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where what all tests look at is kept: report/, results/ and scores.parquet."""
    return tmp_path_factory.mktemp("kept") / "all"


@pytest.fixture
def report(kept, tmp_path, make_corpus, make_result):
    """The report of two systems, one of them under two protocols."""
    if not kept.exists():
        corpus = make_corpus()
        results = [
            make_result(corpus, system, "clean", skill=skill)
            for system, skill in (("text_bert_8", 0.7), ("text_bert_32", 0.4))
        ]
        results.append(make_result(corpus, "text_bert_8", "as_published", (1,), skill=0.9))
        score(
            results,
            [corpus],
            EvaluationParams(resamples=100, confidence=0.95, seed=1),
            tmp_path / "scores.parquet",
        )
        build(tmp_path / "scores.parquet", REPORTED, tmp_path / "tables")
        write(tmp_path / "tables", results, [corpus], [], tmp_path / "report")
        shutil.copytree(tmp_path, kept)
    return kept / "report"


@pytest.fixture
def tab(tmp_path):
    with chromium(tmp_path / "profile") as tab:
        yield tab
        assert tab.complaints == []
        assert [url for url in tab.requests if not url.startswith(("file://", "about:"))] == []


def test_no_page_has_a_fault_at_either_width(report, tab):
    pages = sorted(report.glob("*.html"))
    assert len(pages) > 3
    for page in pages:
        for width in WIDTHS:
            tab.open(page, width)
            assert tab.run(FAULTS) == [], (page.name, width)
            assert (
                tab.run("getComputedStyle(document.querySelector('.skip')).position") == "absolute"
            )  # the style sheet is there


def test_what_is_shown_is_what_was_predicted_and_scored(report, kept, tab):
    tab.open(report / "weighted_late_fusion.html", 1280)
    scores = pd.read_parquet(kept / "scores.parquet")
    means = scores[
        scores["seed"].isna()
        & (scores["split"] == "test")
        & scores["class"].isna()
        & scores["fold"].isna()
    ]
    means = means.set_index(["system", "protocol", "metric"])
    groups = tab.run(
        f"[...{TEST_TABLE}.querySelector('thead').rows[0].cells].map(cell => [cell.textContent, cell.colSpan])"
    )
    group_of = [name for name, span in groups for _ in range(span)]
    heads = tab.run(
        f"[...{TEST_TABLE}.querySelector('thead').rows[1].cells].map(cell => cell.textContent.trim())"
    )
    rows = tab.run(CELLS.format(table=f"{TEST_TABLE}.querySelector('table')"))
    systems = tab.run(
        f"[...{TEST_TABLE}.querySelectorAll('tbody tr')].map(row => [row.className, row.querySelector('a')?.hash ?? ''])"
    )
    compared = 0
    for cells, (kind, anchor) in zip(rows, systems, strict=True):
        system = anchor[1:].removesuffix("-meld") if kind == "system" else cells[0]
        for group, head, cell in zip(group_of, heads, cells, strict=True):
            key = (
                system,
                group.removesuffix(", demo corpus").replace(" ", "_"),
                head.replace("weighted F1", "weighted_f1"),
            )
            if key in means.index:
                found = means.loc[key]
                spread = "" if pd.isna(found["std"]) else f" ± {100 * found['std']:.2f}"
                assert cell == f"{100 * found['value']:.2f}{spread}"
                compared += 1
            elif group.endswith("demo corpus") and key[2] in ("accuracy", "weighted_f1"):
                assert cell in ("–", "not run"), key
    assert compared >= 2 * (
        3 + 2 * 2
    )  # two measures of three results and of the baselines under two protocols
    for result in (kept / "results").rglob("predictions.parquet"):
        test = pd.read_parquet(result).query("split == 'test'")
        right = (test["labels"].str[0] == test["predicted"].str[0]).groupby(test["seed"]).mean()
        expected = f"{100 * right.mean():.2f}" + (
            f" ± {100 * right.std():.2f}" if len(right) > 1 else ""
        )
        protocol = result.parent.name.removeprefix("meld-").replace("_", " ")
        column = [*zip(group_of, heads, strict=True)].index(
            (f"{protocol}, demo corpus", "accuracy")
        )
        of_system = f"#{result.parent.parent.name}-meld"
        assert {
            cells[column]
            for cells, (_, anchor) in zip(rows, systems, strict=True)
            if anchor == of_system
        } == {expected}
    assert {"majority", "chance"} <= {row[0] for row in rows}


def numbers(cells):
    found = [re.search(r"-?\d+(\.\d+)?", cell.replace("\N{MINUS SIGN}", "-")) for cell in cells]
    return [float(one[0]) if one else None for one in found]


def test_tables_sort_by_click_and_by_key_and_come_back(report, tab):
    tab.open(report / "weighted_late_fusion.html", 1280)
    table = f"{TEST_TABLE}.querySelector('table')"
    came = tab.run(CELLS.format(table=table))
    head = f"{table}.tHead.rows[1].cells"
    column = tab.run(
        f"[...{head}].findLastIndex(cell => cell.textContent.includes('weighted F1'))"
    )  # under the last group of three
    assert column > 4
    button = f"{head}[{column}].querySelector('button')"

    def shown():
        return tab.run(CELLS.format(table=table)), tab.run(
            f"[...{head}].map(cell => cell.getAttribute('aria-sort'))"
        )

    tab.click(button)
    rows, said = shown()
    values = numbers(row[column] for row in rows)
    known = [value for value in values if value is not None]
    assert (
        known == sorted(known)
        and len(set(known)) > 2
        and values == known + [None] * (len(values) - len(known))
    )
    assert said == [None] * column + ["ascending"] + [None] * (len(said) - column - 1)
    assert sorted(rows) == sorted(came) and rows != came  # whole rows move
    tab.run(f"{button}.focus()")
    tab.press("Enter")
    rows, said = shown()
    assert [value for value in numbers(row[column] for row in rows) if value is not None] == known[
        ::-1
    ]
    assert said[column] == "descending" and rows[-1] != came[0]
    tab.press(" ")
    assert shown() == (came, [None] * len(said))
    tab.click(f"{head}[0].querySelector('button')")  # words
    names = [row[0] for row in shown()[0]]
    assert [
        name.lower().split()[0] for name in names if name.startswith(("text", "audio"))
    ] == sorted(
        name.lower().split()[0] for name in names if name.startswith(("text", "audio"))
    ) and names[0] != came[0][0]


def test_it_is_read_by_keyboard_in_the_dark_and_on_paper(report, tab, tmp_path):
    page = report / "weighted_late_fusion.html"
    tab.open(page, 1280, dark=True)
    tab.press("Tab")
    assert tab.run("document.activeElement.textContent") == "Skip to content"
    assert (
        tab.run(
            "document.activeElement.getBoundingClientRect().left >= 0 && getComputedStyle(document.activeElement).outlineStyle"
        )
        == "solid"
    )
    tab.press("Enter")
    assert tab.run("location.hash") == "#main"
    ink, ground = tab.run(
        "['color', 'backgroundColor'].map(name => getComputedStyle(document.body)[name].match(/\\d+/g).slice(0, 3).map(Number))"
    )
    assert min(ink) > 200 and max(ground) < 40
    assert "invert" in tab.run("getComputedStyle(document.querySelector('.picture img')).filter")
    tab.open(page, 1280)
    assert tab.run("getComputedStyle(document.querySelector('.picture img')).filter") == "none"
    tab.open(page, 1280, anchor="weighted_late_fusion-meld-seeds")  # folded
    assert tab.run("document.querySelector(':target').closest('details').open")
    tab.open(page, 1032)  # A4 landscape between its margins
    tab.ask("Emulation.setEmulatedMedia", media="print")
    cut = "[...document.querySelectorAll('figure.table')].filter(one => one.querySelector('table').offsetWidth > one.clientWidth + 1)"
    assert tab.run(f"{cut}.map(one => one.id)") == []
    assert tab.run(
        "[...document.querySelectorAll('nav, .files')].every(one => getComputedStyle(one).display === 'none')"
    )
    tab.print(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


def test_without_script_all_is_there(report, tab):
    tab.ask("Emulation.setScriptExecutionDisabled", value=True)
    tab.open(report / "weighted_late_fusion.html", 1280)
    tree = tab.ask("DOM.getDocument", depth=-1)["root"]
    assert tree["childNodeCount"] >= 1
    assert (
        tab.ask("DOM.querySelectorAll", nodeId=tree["nodeId"], selector="th button")["nodeIds"]
        == []
    )
    assert (
        len(tab.ask("DOM.querySelectorAll", nodeId=tree["nodeId"], selector="tbody a")["nodeIds"])
        > 3
    )
