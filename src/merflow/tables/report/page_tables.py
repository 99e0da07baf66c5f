"""Tables on the pages of the report, with links to runs and files for download."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from merflow.errors import StoreError
from merflow.tables.deviation_tables import NOTE
from merflow.tables.html import fragment
from merflow.tables.rendered import RenderedTable
from merflow.tables.report.figures import Files
from merflow.tables.report.runs import runs_address

#: Suffix -> name of a form for download. Markdown, HTML and JSON stand in results/tables.
FORMATS = {"csv": "CSV in full precision", "tex": "LaTeX"}


@dataclass(frozen=True)
class PageTable:
    """Table on a page.

    Attributes:
        table: its content.
        files: path of its files for download, without suffix. Empty: none.
    """

    table: RenderedTable
    files: str = ""

    @property
    def html(self) -> str:
        """The table with links to runs, without the note on deviations (a link follows)."""
        notes = tuple(note for note in self.table.notes if note != NOTE)
        return fragment(self.table.model_copy(update={"notes": notes}), runs_address)


@dataclass(frozen=True)
class Tables:
    """Tables that the step ``tables`` wrote.

    Attributes:
        folder: results/tables.
        addresses: addresses of all runs in the report.
        files: of the report, to which the forms for download are added.
    """

    folder: Path
    addresses: Collection[str]
    files: Files

    def read(self, subfolder: str, names: Iterable[str]) -> list[PageTable]:
        """Read the tables that index.json lists for a paper, or for all papers.

        Raises:
            StoreError: a form is absent, or a row is of runs that are not in the report.
        """
        return [self._read(f"{subfolder}/{name}") for name in names]

    def _read(self, stem: str) -> PageTable:
        table = RenderedTable.read(self.folder / f"{stem}.json")
        targets = [runs_address(runs) for row in table.rows for runs in row.runs]
        if absent := [target for target in targets if target not in self.addresses]:
            raise StoreError(
                f"{self.folder / stem}: a row links to {absent[0]}, but the report has no such"
                " runs; build tables and report anew with `snakemake --cores 2`"
            )
        for suffix in FORMATS:
            path = self.folder / f"{stem}.{suffix}"
            try:
                self.files[f"tables/{stem}.{suffix}"] = path.read_text(encoding="utf-8")
            except OSError as error:
                raise StoreError(
                    f"{path}: cannot be read ({error.strerror});"
                    f" delete {self.folder} and build it anew"
                ) from error
        return PageTable(table, f"tables/{stem}")
