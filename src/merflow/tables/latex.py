"""LaTeX of tables for a paper: booktabs, or longtable over several pages."""

import re
from collections.abc import Iterable

from merflow.tables.rendered import RenderedTable

#: Signs with a meaning in LaTeX, and signs that it sets in mathematics. Quotation marks, dashes
#: and accents need nothing.
ESCAPED = {sign: f"\\{sign}" for sign in "&%$#_{}"}
ESCAPED |= {"\\": "\\textbackslash ", "~": "\\textasciitilde ", "^": "\\textasciicircum "}
ESCAPED |= {"`": "\\textasciigrave "}
# a command swallows the space that ends it
ESCAPED |= {f"{sign} ": f"{ESCAPED[sign]}\\space " for sign in "\\~^`"}
ESCAPED |= {
    "\N{MINUS SIGN}": "$-$",
    "±": "$\\pm$",
    "×": "$\\times$",
    "≥": "$\\geq$",
    "≤": "$\\leq$",
    "→": "$\\to$",
    "∞": "$\\infty$",
}
SIGNS = re.compile("|".join(map(re.escape, sorted(ESCAPED, key=len, reverse=True))))
LANDSCAPE = "\\usepackage{pdflscape} \\begin{landscape}\\footnotesize ... \\end{landscape}"
SHRINK = "\\usepackage{adjustbox} \\begin{adjustbox}{max width=\\linewidth} ... \\end{adjustbox}"
LONG = 45  # rows; a longer table, or a table with sentences, may break over pages
PROSE_CM = (4.0, 12.5)  # widest column of sentences; all of them, on a landscape page


def latex(table: RenderedTable) -> str:
    """Write a table. Its first line names packages, and a remedy for too wide tables."""
    long = len(table.rows) > LONG or any(column.prose for column in table.columns)
    environment, packages, remedy = (
        ("longtable", "booktabs,longtable", LANDSCAPE) if long else ("tabular", "booktabs", SHRINK)
    )
    advice = f"{len(table.columns)} columns, too wide? {remedy}"
    header = _header(table)
    lines = [
        f"% \\usepackage{{{packages}}} \\usepackage[T1]{{fontenc}}; {advice}",
        f"\\begin{{{environment}}}{{{_alignment(table)}}}",
        *(_repeated(header, len(table.columns)) if long else header),
        *(_line(row.cells) for row in table.rows),
        *([] if long else ["\\bottomrule"]),
        f"\\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"


def _alignment(table: RenderedTable) -> str:
    """One letter per column. Columns of sentences have a width."""
    widest, together = PROSE_CM
    width = min(widest, together / max(sum(column.prose for column in table.columns), 1))
    return "".join(
        f"p{{{width:g}cm}}" if column.prose else "r" if column.numeric else "l"
        for column in table.columns
    )


def _header(table: RenderedTable) -> list[str]:
    """Lines from the top rule to the rule below the headers."""
    lines = [_line(column.header for column in table.columns)]
    if any(group for group, _ in table.groups):
        spans = (
            _escaped(group) if span == 1 else f"\\multicolumn{{{span}}}{{c}}{{{_escaped(group)}}}"
            for group, span in table.groups
        )
        lines.insert(0, " & ".join(spans) + " \\\\")
    return ["\\toprule", *lines, "\\midrule"]


def _repeated(header: list[str], columns: int) -> list[str]:
    """Head and foot of a longtable: the header stands on each page."""
    continued = f"\\multicolumn{{{columns}}}{{r}}{{Continued on next page}} \\\\"
    foot = ["\\midrule", continued, "\\midrule", "\\endfoot", "\\bottomrule", "\\endlastfoot"]
    return [*header, "\\endfirsthead", *header, "\\endhead", *foot]


def _line(cells: Iterable[str]) -> str:
    text = " & ".join(map(_escaped, cells)) + " \\\\"
    # a bracket at the start would be read as an argument of the row above
    return f"{{[}}{text[1:]}" if text.startswith("[") else text


def _escaped(text: str) -> str:
    return SIGNS.sub(lambda sign: ESCAPED[sign[0]], text)
