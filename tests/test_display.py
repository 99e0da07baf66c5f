"""A user's text on the screen: square brackets, names of emoji, controls and broken names."""

import logging
import unicodedata

import pandas as pd
import pytest
from rich.console import Console

from merflow import artifacts, main, progress, status
from merflow.display import TextTable, labelled, printable
from merflow.errors import CorpusError
from merflow.params import CheckpointParams, CorpusParams
from merflow.store import write_table

HOSTILE = "a|b <b>[x]_$ [/] :smile: [link=x]"


def shown(*renderables):
    console = Console(width=200, record=True)
    for renderable in renderables:
        console.print(renderable)
    return console.export_text()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (HOSTILE, HOSTILE),
        ("glücklich 😀 \N{NO-BREAK SPACE}\ue000", "glücklich 😀 \N{NO-BREAK SPACE}\ue000"),
        ("gl\udcfcck", r"gl\xfcck"),
        ("half \ud83d", r"half \ud83d"),
        ("a\nb\tc\x1b[31m\x85\u2028", r"a\nb\tc\x1b[31m\x85\u2028"),
        (unicodedata.normalize("NFD", "é"), unicodedata.normalize("NFD", "é")),
    ],
)
def test_a_text_is_one_line_and_otherwise_as_it_is(text, line):
    assert printable(text) == line
    line.encode()


def test_tables_and_lines_take_no_text_for_markup():
    table = TextTable(HOSTILE, "[b]", title="title")
    table.add_row("[c] :tada:", "d\ne")
    text = shown(table, labelled(next_run="[dim]3[/]", report="[f]"))
    for expected in (HOSTILE, "[b]", "[c] :tada:", r"d\ne", "next run [dim]3[/]   report [f]"):
        assert expected in text


def test_status_shows_names_as_they_are(tmp_path):
    folder = tmp_path / "data/corpora/mine"
    rows = pd.DataFrame(
        [{"utterance_id": "a", "dialogue_id": "a", "turn": 0, "speaker": "s", "labels": ["[x]"]}],
        columns=artifacts.UTTERANCES.names,
    )
    metadata = {"source": "folder"}
    write_table(folder / "utterances.parquet", rows, artifacts.UTTERANCES, metadata)
    splits = pd.DataFrame(
        [{"utterance_id": "a", "scheme": "given", "fold": 0, "split": "test"}],
        columns=artifacts.SPLITS.names,
    )
    write_table(folder / "splits.parquet", splits, artifacts.SPLITS)
    (folder / "defects.csv").write_text("utterance_id,kind,detail,action,medium\na,[kind],,,\n")
    sources = {
        "mine": CorpusParams(source="~/clips", annotations="mine.csv"),
        "other": CorpusParams(source="/data/[2024] clips", annotations="other.csv"),
    }
    checkpoints = {"bert": CheckpointParams(folder="/models/[mine]")}
    text = shown(status._corpora(tmp_path, sources), status._checkpoints(tmp_path, checkpoints))
    assert "/data/[2024] clips" in text and "[kind] 1" in text and "[mine]" in text


def test_messages_and_errors_are_one_line(tmp_path, monkeypatch, capsys):
    progress.configure(tmp_path / "job.log")
    logging.getLogger("merflow").warning("%s: odd", "gl\udcfcck\n[x]")
    (line,) = (tmp_path / "job.log").read_text(encoding="utf-8").splitlines()
    assert line.endswith(r"job: gl\xfcck\n[x]: odd")

    def refuse(**_):
        raise CorpusError("gl\udcfcck\n[x]: odd")

    monkeypatch.setattr(main, "app", refuse)
    monkeypatch.setattr("sys.argv", ["merflow", "--log", str(tmp_path / "job.log")])
    with pytest.raises(SystemExit):
        main.main()
    assert capsys.readouterr().err.splitlines()[-1] == r"error: gl\xfcck\n[x]: odd"
    *_, last = (tmp_path / "job.log").read_text(encoding="utf-8").splitlines()
    assert last == r"error: gl\xfcck\n[x]: odd"
