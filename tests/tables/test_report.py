import json
import re
import shutil
from functools import cache
from html.parser import HTMLParser

import pandas as pd
import pytest
from support import REPORTED, altered_results

from merflow.errors import StoreError
from merflow.evaluation.score import score
from merflow.evaluation.scored import MissingResult
from merflow.params import EvaluationParams
from merflow.records import Record
from merflow.store import write_folder
from merflow.tables import plots
from merflow.tables.compare import build
from merflow.tables.index import Index
from merflow.tables.render import Table, number, percent, render, words
from merflow.tables.report import write

EVALUATION = EvaluationParams(resamples=100, confidence=0.95, seed=1)
PAPERS = ["class_weight_lstm", "deepmsi_mer", "joint_cnn", "mel_cnn_bert", "weighted_late_fusion"]
VOID = ("meta", "img", "link", "br", "wbr")  # tags without an end


class Page(HTMLParser):
    """Ids, links, images, headings and unclosed tags of a page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.images, self.open, self.headings = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "a":
            self.links.append(attributes["href"])
        if tag == "img":
            self.images.append(attributes)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def write_tables(tmp_path):
    """Score results and write their tables."""

    def make(results, corpus):
        score(results, [corpus], EVALUATION, tmp_path / "scores")
        build(tmp_path / "scores", REPORTED, tmp_path / "tables")
        return tmp_path / "tables"

    return make


@pytest.fixture
def write_report(tmp_path, write_tables):
    """Score results, write their tables and the report."""

    def make(results, corpus, sheets=()):
        write(write_tables(results, corpus), results, [corpus], sheets, tmp_path / "report")
        return tmp_path / "report"

    return make


@pytest.fixture
def build_report(write_report, make_corpus, make_result):
    """Report of one system under two protocols, from predictions."""

    def make(source="demo"):
        corpus = make_corpus(source=source)
        results = [
            make_result(corpus, "text_bert_8", protocol, seeds, source=source)
            for protocol, seeds in (("as_published", (1,)), ("clean", (1, 2)))
        ]
        return write_report(results, corpus)

    return make


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Folder of the report of a corpus' source, for all tests of this module."""
    return cache(lambda source: tmp_path_factory.mktemp("reports") / source)


@pytest.fixture
def report(build_report, kept):
    def make(source="demo"):
        if not kept(source).exists():
            shutil.copytree(build_report(source), kept(source))
        return kept(source)

    return make


def pages_of(folder):
    return {path.name: Page(path.read_text()) for path in sorted(folder.glob("*.html"))}


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}


def table_rows(text):
    """Cells of the rows of ours, as text."""
    rows = re.findall(r'<tr class="system"><th scope="row"[^>]*>(.*?)</tr>', text)
    return [re.sub("<[^>]*>", " ", row).split() for row in rows]


def test_every_paper_has_two_whole_pages(report):
    pages = pages_of(report())
    names = [f"{paper}{ending}.html" for paper in PAPERS for ending in ("", "-runs")]
    assert list(pages) == sorted(["index.html", *names])
    for page in pages.values():
        assert page.open == []
        assert len(page.ids) == len(set(page.ids))
        assert page.headings[0] == 1
        steps = zip(page.headings, page.headings[1:], strict=False)
        assert all(after - before <= 1 for before, after in steps)


def test_every_link_and_image_leads_somewhere(report):
    folder = report()
    pages = pages_of(folder)
    for name, page in pages.items():
        for link in page.links:
            path, _, anchor = link.partition("#")
            assert (folder / (path or name)).is_file(), link
            assert not anchor or anchor in pages[path or name].ids, link
    images = pages["weighted_late_fusion.html"].images
    assert len(images) == 6 and not pages["index.html"].images
    for image in images:
        assert (folder / image["src"]).is_file() and len(image["alt"]) > 40


def test_rows_and_figures_link_to_their_runs(report):
    page = pages_of(report())["weighted_late_fusion.html"]
    links = [link.split("#") for link in page.links if "-runs.html#" in link]
    assert {path for path, _ in links} == {"weighted_late_fusion-runs.html"}
    anchors = {"text_bert_8-meld", "text_bert_8-meld-clean", "text_bert_8-meld-as_published"}
    assert {anchor for _, anchor in links} == anchors


def test_page_of_runs_shows_provenance(report):
    text = (report() / "weighted_late_fusion-runs.html").read_text()
    clean = text[text.index('<article id="text_bert_8-meld-clean"') :]
    clean = clean[: clean.index("</article>")]
    for name, value in {
        "code digest": "0123456789abcdef",
        "epoch selected on": "dev",
        "seeds": "1, 2",
        "device": "cpu",
        "split scheme": "official",
        "wall time": "123.0 s, all runs together",
        "training.learning_rate": "0.0002",
        "torch": "2.13.0",
    }.items():
        assert f"<dt>{name}</dt><dd>{value}</dd>" in clean, name
    fold_seed_epoch = [row[:3] for row in table_rows(clean)]
    assert fold_seed_epoch == [["0", "1", "3"], ["0", "2", "3"]]


def test_a_row_of_absent_runs_is_refused(tmp_path, make_corpus, make_result, write_tables):
    corpus = make_corpus()
    results = [make_result(corpus, system) for system in ("text_bert_8", "text_bert_16")]
    tables = write_tables(results, corpus)
    with pytest.raises(StoreError, match=r"a row links to .*#text_bert_16.*no such runs"):
        write(tables, results[:1], [corpus], [], tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_earlier_plots_are_not_drawn_again(
    tmp_path, make_corpus, make_result, write_tables, monkeypatch
):
    corpus = make_corpus()
    result = make_result(corpus, "text_bert_8")
    tables = write_tables([result], corpus)

    def report(name, scratch):
        write(tables, [result], [corpus], [], tmp_path / name, tmp_path / scratch)
        return contents(tmp_path / name)

    first = report("first", "drawn")
    names = {f"text_bert_8-meld-clean-{kind}.svg" for kind in ("confusion", "curves")}
    names.add("meld-clean-distribution.svg")
    assert {path.name for path in first if path.suffix == ".svg"} == names
    monkeypatch.setattr(plots, "confusion", None)
    monkeypatch.setattr(plots, "distribution", None)
    monkeypatch.setattr(plots, "learning_curves", None)
    assert report("again", "drawn") == first
    with pytest.raises(TypeError):
        report("elsewhere", "empty")
    first_epoch, *history = Record.read(result).runs[0].history
    changed = first_epoch.model_copy(update={"train_loss": 9.0})
    altered_results.run(result, 0, history=(changed, *history))
    with pytest.raises(TypeError):
        report("changed", "drawn")


def test_tables_of_all_papers_stand_in_the_summary(
    tmp_path, make_corpus, make_result, write_tables
):
    corpus = make_corpus()
    result = make_result(corpus, "text_bert_8")
    tables = write_tables([result], corpus)
    row = {"paper": "weighted_late_fusion", "system": "text_bert_8", "kind": "system", "f1": 0.5}
    columns = (words("system", "system"), number("F1", "f1", percent))
    table = Table("cross", "Side by side.", "", pd.DataFrame([row]), columns, folded=True)
    for name, text in render(table).items():
        (tables / "overall" / name).write_text(text)
    index = Index.read(tables).model_copy(update={"overall": ("cross",)})
    (tables / "index.json").write_text(index.text)
    write(tables, [result], [corpus], [], tmp_path / "report")
    text = (tmp_path / "report" / "index.html").read_text()
    link = '<a href="weighted_late_fusion-runs.html#text_bert_8">text_<wbr>bert_<wbr>8</a>'
    assert f'<th scope="row">{link}</th><td class="n">50.00</td>' in text
    assert "<summary>Side by side.</summary>" in text
    assert "tables/overall/cross.csv" in Page(text).links


def test_missing_results_are_listed_on_every_page(tmp_path, make_corpus, make_result, write_tables):
    corpus = make_corpus()
    result, broken = (make_result(corpus, name) for name in ("text_bert_8", "text_bert_16"))
    tables = write_tables([result], corpus)
    (broken / "run.json").write_text("{}")
    name = "results/weighted_late_fusion/text_bert_16/meld-clean"
    missing = MissingResult.named(name, f"{name}: no run is named")
    index = Index.read(tables).model_copy(update={"missing": (missing,)})
    (tables / "index.json").write_text(index.text)
    write(tables, [result, broken], [corpus], [], tmp_path / "report")
    for path in (tmp_path / "report").glob("*.html"):
        head = path.read_text().partition("<main")[0]
        assert "<strong>Incomplete.</strong>" in head and f"<li>{missing.message}</li>" in head


def test_nothing_is_loaded_from_the_network(report):
    namespaces = r'xmlns(:\w+)?="[^"]*"|<!DOCTYPE[^>]*>|rdf:resource="[^"]*"'
    for path in report().rglob("*"):
        if path.suffix in (".html", ".svg", ".css", ".js"):
            text = re.sub(namespaces, "", path.read_text())
            assert not re.findall(r'(?:src|href)="https?:|url\((?!#)|@import', text)
            assert set(re.findall(r"<script[^>]*>", text)) <= {'<script src="report.js" defer>'}


def test_summary_shows_corpora_defects_cost_versions(report):
    text = re.sub(r"\s+", " ", (report() / "index.html").read_text())
    assert '<th scope="row">missing clip</th>' in text and "<td>no clip</td>" in text
    utterances, dialogues, scheme = "240", "30", "official"
    sizes = f'<td class="n">{utterances}</td><td class="n">{dialogues}</td><td>{scheme}</td>'
    assert sizes in text
    assert "<dt>torch</dt><dd>2.13.0</dd>" in text
    assert "3.1 minutes in all" in text  # three runs of 61.5 s


def test_a_defect_shows_its_medium(make_corpus, make_result, write_report):
    corpus = make_corpus()
    defects = pd.DataFrame(
        [
            ["train_dia0_utt0", "no audio track", "dia0_utt0.mp4", "video kept", "audio"],
            ["train_dia0_utt1", "short span", "0.1 s", "kept", ""],
        ],
        columns=["utterance_id", "kind", "detail", "action", "medium"],
    )
    defects.to_csv(corpus / "defects.csv", index=False)
    text = (write_report([make_result(corpus)], corpus) / "index.html").read_text()
    table = text[text.index('id="defects-meld"') :]
    assert [row[:4] for row in table_rows(table)][:2] == [
        ["no", "audio", "track", "audio"],
        ["short", "span", "1", "kept"],
    ]


def test_claims_follow_paper_tables_and_long_ones_fold(report):
    text = (report() / "weighted_late_fusion.html").read_text()
    section = text[text.index('<section id="meld"') :]
    first, *folded = re.split(r"<summary>(.*?)</summary>", section[: section.index("</section>")])
    anchors = '<figure class="table[^>]*id="weighted_late_fusion-meld-([^"]*)"'
    *tables, claims, gap, leakage = re.findall(anchors, first)
    assert (claims, gap, leakage) == ("claims", "gap", "leakage")
    assert {"table-3-as_published", "table-3-clean"} <= set(tables)
    assert all(re.fullmatch(r"table-\d+(-as_published|-clean)?", name) for name in tables)
    assert [title.split(",")[0] for title in folded[::2]] == [
        "Audit of the numbers printed on meld: 24 findings (9 certain",
        "Dev results",
        "F1 of each class",
        "Every seed",
        "Learning curves of 1 system",
    ]
    assert 'id="joint_cnn-iemocap-claims"' in (report() / "joint_cnn.html").read_text()


def test_fusion_weights_are_drawn(make_corpus, make_result, write_report):
    corpus = make_corpus()
    single, fusion = make_result(corpus, "text_bert_8"), make_result(corpus, "late_fusion")

    for run, weight in enumerate((0.3, 0.4)):
        weights = {"text_bert_8": weight, "audio_wav2vec2": 1 - weight}
        altered_results.run(fusion, run, selected_epochs=(), history=(), weights=weights)
    labels = {"tokens": "roberta@e2da8e2", "speech": "is13, functionals"}
    altered_results.record(fusion, lambda record: {"input_labels": labels})
    folder = write_report([single, fusion], corpus)
    page = Page((folder / "weighted_late_fusion.html").read_text())
    images = {image["src"].rpartition("/")[2]: image["alt"] for image in page.images}
    assert set(images) == {
        "meld-clean-distribution.svg",
        "text_bert_8-meld-clean-confusion.svg",
        "text_bert_8-meld-clean-curves.svg",
        "late_fusion-meld-clean-confusion.svg",
        "late_fusion-meld-clean-weights.svg",
    }
    means = "audio_wav2vec2 0.65 (0.60 to 0.70); text_bert_8 0.35 (0.30 to 0.40)"
    alt = f"late_fusion, clean. Mean weight over 2 runs: {means}."
    assert images["late_fusion-meld-clean-weights.svg"] == alt
    text = (folder / "index.html").read_text()
    assert "<td>is13, functionals, roberta@e2da8e2</td>" in text
    seeds = folder.parent / "tables" / "weighted_late_fusion" / "meld-seeds.csv"
    epochs = pd.read_csv(seeds, dtype=str, keep_default_na=False).groupby("system")
    epochs = epochs["selected_epoch"].agg(list).to_dict()
    assert epochs == {"late_fusion": ["", ""], "text_bert_8": ["3", "3"]}


def test_utterances_without_an_input_are_listed(make_corpus, make_result, write_report):
    corpus = make_corpus()
    result = make_result(corpus, "text_bert_8")
    absent = "train_dia3_utt1"  # of train: dev and test are predicted in full
    altered_results.record(result, lambda record: {"left_out": {"tokens": (absent,)}})
    text = (write_report([result], corpus) / "index.html").read_text()
    assert f'<td>tokens</td><td>absent</td><td class="n">1</td><td>{absent}</td>' in text


def test_multi_label_results_show_recalls(make_mosei, make_mosei_result, write_report):
    corpus = make_mosei()
    folder = make_mosei_result(corpus, "visual", seeds=(1,))
    report = write_report([folder], corpus)
    images = Page((report / "class_weight_lstm.html").read_text()).images
    kinds = [image["src"].rpartition("-")[2] for image in images]
    assert kinds == ["distribution.svg", "recalls.svg", "curves.svg"]
    test = pd.read_parquet(folder / "predictions.parquet").query("split == 'test'")
    label, predicted = (
        pd.Series(["happy" in names for names in test[column]])
        for column in ("labels", "predicted")
    )
    expected = []
    for present, name in ((True, "present"), (False, "absent")):
        correct = predicted[label == present] == present
        expected.append(f"{100 * correct.mean():.0f} % of {len(correct)} {name} correct")
    distribution, recalls, curves = (image["alt"] for image in images)
    n = len(pd.read_parquet(corpus / "splits.parquet").query("scheme == 'official'"))
    assert distribution.startswith(f"clean. Of {n}: happy ")
    assert recalls.startswith(f"visual, clean. happy: {', '.join(expected)}; sad: ")
    losses = "dev loss 1.000, 0.500; dev uar 0.500, 0.500; train loss 1.000, 0.500"
    assert curves == f"visual, clean. Mean over 1 run, by epoch: {losses}."
    seeds = pd.read_csv(report.parent / "tables" / "class_weight_lstm" / "mosei-seeds.csv")
    assert seeds["selected_epoch"].tolist() == ["1/2/3/4/5/1"]


def test_a_frame_sheet_stands_in_its_section(tmp_path, make_corpus, make_result, write_report):
    corpus = make_corpus()
    names = {"paper": "weighted_late_fusion", "system": "video_clip", "corpus": "meld"}
    sheet = names | {"caption": "A row is a clip.", "clips": [{"words": "“Hi, Joey!” Joy."}]}
    files = {"sheet.jpg": b"\xff\xd8", "sheet.json": json.dumps(sheet)}
    write_folder(tmp_path / "sheet", files)
    results = [make_result(corpus, "video_clip")]
    report = write_report(results, corpus, [tmp_path / "sheet"])
    text = (report / "weighted_late_fusion.html").read_text()
    before, _, section = text.partition('<section id="meld"')
    assert "<p>A row is a clip.</p>" in section and "<li>“Hi, Joey!” Joy.</li>" in section
    (image,) = (image for image in Page(text).images if image["src"].endswith(".jpg"))
    assert (report / image["src"]).read_bytes() == b"\xff\xd8"
    assert len(image["alt"]) > 40
    assert "Frames of a few clips" not in before


def test_pages_with_demo_rows_say_so_first(report):
    for name in ("index", "weighted_late_fusion", "weighted_late_fusion-runs"):
        head = (report("demo") / f"{name}.html").read_text().partition("<main")[0]
        assert "<strong>Demo.</strong>" in head
    assert "<strong>Demo" not in (report("demo") / "joint_cnn.html").read_text()  # not run
    for path in report("official").glob("*.html"):
        text = path.read_text()
        assert "demo corpus" not in text and "<strong>Demo" not in text


def test_the_same_input_gives_the_same_bytes(build_report, report):
    first, again = contents(report()), contents(build_report())
    assert first == again
    assert len(first) > 15


def test_absent_tables_are_one_line(tmp_path):
    with pytest.raises(StoreError, match=r"index\.json: cannot be read"):
        write(tmp_path / "tables", [], [], [], tmp_path / "report")
