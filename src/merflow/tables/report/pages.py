"""Pages of the report: a summary, and per paper its results and its runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from merflow.evaluation.predictions import Result
from merflow.paths import REPORT_INDEX
from merflow.tables.html import TEMPLATES
from merflow.tables.report.figures import Files, Kind
from merflow.tables.report.page_tables import FORMATS, PageTable
from merflow.tables.report.runs import provenance, runs_page

ASSETS = ("report.css", "report.js")


@dataclass(frozen=True)
class Section:
    """Everything about one paper on one corpus.

    Attributes:
        paper, corpus: names.
        demo: it is a demo corpus.
        extra: the paper does not use the corpus.
        headlines: sentences about the results.
        tables, kinds, sheets: tables, figures by kind, and frame sheets.
    """

    paper: str
    corpus: str
    demo: bool
    extra: bool
    headlines: Sequence[str]
    tables: Sequence[PageTable]
    kinds: Sequence[Kind]
    sheets: Sequence[Mapping[str, Any]]


class Pages:
    """Writer of the pages, which share the navigation and the list of missing results.

    Args:
        sections: of all papers, in their order.
        tables: of papers, about all their corpora.
        missing: sentences about missing results.
    """

    def __init__(
        self,
        sections: Sequence[Section],
        tables: Mapping[str, Sequence[PageTable]],
        missing: Sequence[str],
    ) -> None:
        self.tables, self.missing = tables, missing
        self.sections: dict[str, list[Section]] = {}
        for section in sections:
            self.sections.setdefault(section.paper, []).append(section)

    def summary(
        self,
        results: Sequence[Result],
        demo: Sequence[str],
        overall: Sequence[PageTable],
        corpora: Sequence[PageTable],
        cost: Sequence[PageTable],
        environment: Sequence[tuple[str, str]],
    ) -> Files:
        """Write the first page.

        Args:
            results: of all papers.
            demo: names of the demo corpora.
            overall: tables about all papers.
            corpora: tables about corpora.
            cost: tables about runs.
            environment: libraries with their versions.
        """
        systems = {(result.record.paper, result.record.system) for result in results}
        runs = sum(len(result.record.runs) for result in results)
        return self._page(
            REPORT_INDEX,
            "summary.html.j2",
            demo=demo,
            overall=overall,
            sections=self.sections,
            corpora=corpora,
            cost=cost,
            environment=environment,
            totals={"systems": len(systems), "runs": runs},
        )

    def paper(self, paper: str, results: Sequence[Result]) -> Files:
        """Write the two pages of a paper.

        Args:
            paper: its name.
            results: of the paper, those of a system side by side.
        """
        sections = self.sections[paper]
        demo = [section.corpus for section in sections if section.demo]
        shared = {"paper": paper, "demo": demo}
        content = {"sections": sections, "tables": self.tables.get(paper, ())}
        files = self._page(f"{paper}.html", "paper.html.j2", **content, **shared)
        systems = provenance(results)
        return files | self._page(runs_page(paper), "runs.html.j2", systems=systems, **shared)

    def _page(self, name: str, template: str, **content: Any) -> Files:
        text = TEMPLATES.get_template(template).render(
            page=name,
            papers=list(self.sections),
            missing=self.missing,
            formats=FORMATS,
            runs_page=runs_page,
            **content,
        )
        return {name: text}


def assets() -> Files:
    """Style sheet and script of all pages."""
    return {name: TEMPLATES.get_template(f"{name}.j2").render() for name in ASSETS}
