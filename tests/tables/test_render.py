import math

import pandas as pd

from merflow.tables.render import (
    Column,
    Table,
    decimal,
    html,
    interval,
    latex,
    markdown,
    p_value,
    percent,
    points,
    prose,
    render,
    setting,
    signed,
    spread,
)

TABLE = Table(
    "t",
    "A title.",
    "A caption.",
    pd.DataFrame(
        {"name": ["a_1", "<b>|c"], "share": [1 / 3, math.nan], "kind": ["system", "cited"]}
    ),
    (
        Column("name", lambda row: row["name"], numeric=False),
        Column("F1 %", lambda row: percent(row["share"]), group="ours & theirs"),
    ),
    ("A note.",),
)


def test_numbers_are_rounded_once_at_the_end():
    assert (percent(0.6204), percent(0.34, 0), percent(math.nan)) == ("62.04", "34", "–")
    assert (points(-0.0106), points(0.0106), points(math.nan)) == ("−1.06", "+1.06", "–")
    assert [points(value) for value in (-4e-5, -1e-17, -0.0, 0.0, 4e-5, -6e-5)] == ["0.00"] * 5 + [
        "−0.01"
    ]
    assert (p_value(0.04), p_value(0.0004), p_value(math.nan)) == ("0.040", "< 0.001", "–")
    assert (spread(0.5, 0.01), spread(0.5, math.nan)) == ("50.00 ± 1.00", "50.00")
    assert (interval(0.4, 0.6), interval(-0.01, 0.02, points), interval(math.nan, math.nan)) == (
        "[40.00, 60.00]",
        "[−1.00, +2.00]",
        "–",
    )


def test_what_is_no_share_is_shown_as_papers_print_it():
    assert (decimal(1.13721), decimal(9988.6, 0), decimal(math.nan)) == ("1.1372", "9989", "–")
    assert (signed(-0.03716), signed(0.00001), signed(-3, 0), signed(math.nan)) == (
        "−0.0372",
        "0.0000",
        "−3",
        "–",
    )
    assert spread(1.2, 0.01, decimal) == "1.2000 ± 0.0100"
    assert [setting(value) for value in (8, 0.01, 0.001, 2e-4, 2.5e-5, 0, math.nan)] == [
        "8",
        "0.01",
        "0.001",
        "2e-4",
        "2.5e-5",
        "0",
        "–",
    ]


def test_csv_keeps_full_precision():
    assert (
        render(TABLE)["t.csv"] == "name,share,kind\na_1,0.3333333333333333,system\n<b>|c,,cited\n"
    )


def test_markdown():
    assert markdown(TABLE) == (
        "## A title.\n\nA caption.\n\n| name | ours & theirs: F1 % |\n| --- | --: |\n| a_1 | 33.33 |\n| <b>\\|c | – |\n\n- A note.\n"
    )


def test_html_escapes_and_names_rows_columns_and_groups():
    text = html(TABLE)
    assert "&lt;b&gt;|c" in text and "<b>" not in text
    assert '<th scope="colgroup" colspan="1" class="group">ours &amp; theirs</th>' in text
    assert '<tr class="cited"><th scope="row">' in text and '<td class="n">33.33</td>' in text
    assert 'tabindex="0"' in text and 'aria-labelledby="t-title"' in text


def test_a_column_of_sentences_breaks_its_lines():
    table = Table(
        "t",
        "T.",
        "C.",
        pd.DataFrame({"said": ["Long."]}),
        (prose("said", "said", "claims"),),
        anchor="p-t",
    )
    assert '<th scope="row" class="prose">Long.</th>' in html(table) and 'id="p-t-title"' in html(
        table
    )
    assert "{p{4cm}}" in latex(table)


def test_latex_is_booktabs_and_escaped():
    text = latex(TABLE)
    assert (
        "\\toprule" in text
        and "a\\_1 & 33.33 \\\\" in text
        and "ours \\& theirs" in text
        and "F1 \\%" in text
    )


def test_rows_of_ours_lead_to_their_runs():
    frame = pd.DataFrame(
        {
            "system": ["a", "a - b", "majority", "c"],
            "protocol": ["clean"] * 4,
            "kind": ["system", "system", "baseline", "absent"],
        }
    )
    columns = (
        Column(
            "system",
            lambda row: f"the {row['system']}" if row["system"] == "a" else row["system"],
            numeric=False,
        ),
    )
    text = html(Table("t", "T.", "C.", frame, columns, paper="p", corpus="meld"))
    assert '<th scope="row"><span data-runs="p-runs.html#a-meld-clean">the a</span></th>' in text
    assert (
        '<span data-runs="p-runs.html#a-meld-clean">a</span> - <span data-runs="p-runs.html#b-meld-clean">b</span>'
        in text
    )
    assert '<th scope="row">majority</th>' in text and '<th scope="row">c</th>' in text
    several = html(Table("t", "T.", "C.", frame[["system"]].iloc[:1].assign(paper="q"), columns))
    assert 'data-runs="q-runs.html#a"' in several  # one row of all corpora
    assert "runs" not in html(Table("t", "T.", "C.", frame, columns))  # of no paper
