import math

import pandas as pd
import pytest

from merflow.errors import StoreError
from merflow.tables.html import fragment
from merflow.tables.latex import latex
from merflow.tables.render import (
    Column,
    Table,
    decimal,
    interval,
    markdown,
    p_value,
    percent,
    points,
    prose,
    render,
    setting,
    signed,
    spread,
    words,
)
from merflow.tables.rendered import RenderedTable

FRAME = pd.DataFrame(
    {"name": ["a_1", "<b>|c"], "share": [1 / 3, math.nan], "kind": ["system", "cited"]}
)
COLUMNS = (
    Column("name", lambda row: row["name"], numeric=False),
    Column("F1 %", lambda row: percent(row["share"]), group="ours & theirs"),
)
TABLE = Table("t", "A title.", "A caption.", FRAME, COLUMNS, ("A note.",))


def test_numbers_are_rounded_once_at_the_end():
    assert (percent(0.6204), percent(0.34, 0), percent(math.nan)) == ("62.04", "34", "–")
    assert (points(-0.0106), points(0.0106), points(math.nan)) == ("−1.06", "+1.06", "–")
    zeros = (-4e-5, -1e-17, -0.0, 0.0, 4e-5)
    assert [points(value) for value in zeros] == ["0.00"] * 5 and points(-6e-5) == "−0.01"
    assert (p_value(0.04), p_value(0.0004), p_value(math.nan)) == ("0.040", "< 0.001", "–")
    assert (spread(0.5, 0.01), spread(0.5, math.nan)) == ("50.00 ± 1.00", "50.00")
    assert interval(0.4, 0.6) == "[40.00, 60.00]"
    assert interval(-0.01, 0.02, points) == "[−1.00, +2.00]"
    assert interval(math.nan, math.nan) == "–"


def test_losses_and_settings_look_as_papers_print_them():
    assert (decimal(1.13721), decimal(9988.6, 0), decimal(math.nan)) == ("1.1372", "9989", "–")
    assert (signed(-0.03716), signed(0.00001)) == ("−0.0372", "0.0000")
    assert (signed(-3, 0), signed(math.nan)) == ("−3", "–")
    assert spread(1.2, 0.01, decimal) == "1.2000 ± 0.0100"
    values = {8: "8", 0.01: "0.01", 0.001: "0.001", 2e-4: "2e-4", 2.5e-5: "2.5e-5", 0: "0"}
    assert {value: setting(value) for value in values} == values
    assert setting(math.nan) == "–"


def test_csv_keeps_full_precision():
    rows = "a_1,0.3333333333333333,system\n<b>|c,,cited\n"
    assert render(TABLE)["t.csv"] == f"name,share,kind\n{rows}"


def test_markdown():
    rows = "| a_1 | 33.33 |\n| \\<b>\\|c | – |"
    table = f"| name | ours & theirs: F1 % |\n| --- | --: |\n{rows}"
    assert markdown(TABLE.rendered) == f"## A title.\n\nA caption.\n\n{table}\n\n- A note.\n"


def test_html_escapes_and_names_rows_columns_and_groups():
    text = fragment(TABLE.rendered)
    assert "&lt;b&gt;|c" in text and "<b>" not in text
    group = '<th scope="colgroup" colspan="1" class="group">ours &amp; theirs</th>'
    assert group in text
    assert '<tr class="cited"><th scope="row">' in text and '<td class="n">33.33</td>' in text
    assert 'tabindex="0"' in text and 'aria-labelledby="t-title"' in text


def test_a_column_of_sentences_breaks_its_lines():
    frame = pd.DataFrame({"claim": ["Long."]})
    columns = (prose("claim", "claim", "claims"),)
    table = Table("t", "T.", "C.", frame, columns, anchor="p-t").rendered
    text = fragment(table)
    assert '<th scope="row" class="prose">Long.</th>' in text and 'id="p-t-title"' in text
    assert "{p{4cm}}" in latex(table)


def test_latex_is_booktabs_and_escaped():
    text = latex(TABLE.rendered)
    for piece in ("\\toprule", "a\\_1 & 33.33 \\\\", "ours \\& theirs", "F1 \\%"):
        assert piece in text


def differences(**names):
    """Rows of each kind, and of a difference."""
    frame = pd.DataFrame(
        {
            "name": ["a_1", "a_1 - b", "majority", "c"],
            "system": ["a_1", None, "majority", "c"],
            "first": [None, "a_1", None, None],
            "second": [None, "b", None, None],
            "protocol": ["clean"] * 4,
            "kind": ["system", "system", "baseline", "absent"],
        }
    )
    return Table("t", "T.", "C.", frame, (words("system", "name"),), **names)


def address(runs):
    return "/".join((runs.paper, runs.system, runs.corpus, runs.protocol))


def test_rows_of_ours_link_to_their_runs():
    text = fragment(differences(paper="p", corpus="meld").rendered, address)
    first, second = (
        f'<a href="p/{name}/meld/clean">{label}</a>'
        for name, label in (("a_1", "a_<wbr>1"), ("b", "b"))
    )
    assert f'<th scope="row">{first}</th>' in text
    assert f'<th scope="row">{first} - {second}</th>' in text
    assert '<th scope="row">majority</th>' in text and '<th scope="row">c</th>' in text


def test_a_row_may_name_its_paper_and_be_of_all_corpora():
    frame = pd.DataFrame({"system": ["a"], "paper": ["q"]})
    table = Table("t", "T.", "C.", frame, (words("system", "system"),))
    assert 'href="q/a//"' in fragment(table.rendered, address)


def test_tables_without_paper_or_address_have_no_links():
    assert "<a" not in fragment(differences().rendered, address)
    text = fragment(differences(paper="p").rendered)
    assert "<a" not in text and '<th scope="row">a_1 - b</th>' in text


def test_json_is_the_rendered_table(tmp_path):
    table = differences(paper="p", corpus="meld", folded=True)
    (tmp_path / "tables").mkdir()
    path = tmp_path / "tables" / "t.json"
    path.write_text(render(table)["t.json"])
    assert RenderedTable.read(path) == table.rendered
    path.write_text("{}")
    with pytest.raises(StoreError, match=r"t\.json: name: field required; delete "):
        RenderedTable.read(path)
    with pytest.raises(StoreError, match=r"none\.json: cannot be read"):
        RenderedTable.read(path.with_name("none.json"))
