"""HTML of tables: a fragment per table, and a page with several fragments."""

from collections.abc import Callable, Sequence

import jinja2
from markupsafe import Markup, escape

from merflow.tables.rendered import RenderedTable, SystemRuns

#: Address of the page that describes runs.
Address = Callable[[SystemRuns], str]


def _breakable(text: str) -> Markup:
    """Let a name break after each underscore where a phone is too narrow for it."""
    return escape(text).replace("_", Markup("_<wbr>"))


TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("merflow.tables"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
TEMPLATES.filters["breakable"] = _breakable


def fragment(table: RenderedTable, address: Address | None = None) -> str:
    """Write a table as ``<figure>``, which scrolls sideways by touch and by keyboard.

    Args:
        table: to write.
        address: with it, names of systems link to their runs.
    """
    template = TEMPLATES.get_template("table.html.j2")
    return template.render(table=table, address=address) + "\n"


def page(title: str, fragments: Sequence[str]) -> str:
    """Write a page of its own with these fragments."""
    template = TEMPLATES.get_template("tables.html.j2")
    return template.render(title=title, tables=fragments) + "\n"
