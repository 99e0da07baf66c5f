import json
import re
import shutil
from functools import cache
from html.parser import HTMLParser

import pandas as pd
import pytest
from support import REPORTED

from merflow.errors import StoreError
from merflow.evaluation.score import score
from merflow.params import EvaluationParams
from merflow.store import write_folder
from merflow.tables import figures
from merflow.tables.compare import build
from merflow.tables.render import Table, number, percent, render, words
from merflow.tables.report import write


class Page(HTMLParser):
    """Ids, links, images and the balance of tags of a page."""

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
        if tag not in ("meta", "img", "link", "br", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def build_report(tmp_path, make_corpus, make_result):
    """Two protocols of one system, from predictions to the report."""

    def make(source="demo"):
        corpus = make_corpus(source=source)
        results = [
            make_result(corpus, "text_bert_8", protocol, seeds, source=source)
            for protocol, seeds in (("as_published", (1,)), ("clean", (1, 2)))
        ]
        for path in (folder / "run.json" for folder in results):
            path.write_text(
                json.dumps(
                    json.loads(path.read_text()) | {"code": "97e2a4fe4db6e85d", "select": "dev"}
                )
            )
        score(
            results,
            [corpus],
            EvaluationParams(resamples=100, confidence=0.95, seed=1),
            tmp_path / "scores.parquet",
        )
        build(tmp_path / "scores.parquet", REPORTED, tmp_path / "tables")
        write(tmp_path / "tables", results, [corpus], [], tmp_path / "report")
        return tmp_path / "report"

    return make


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where a report of each source is kept for all tests of this module."""
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


PAPERS = ["class_weight_lstm", "deepmsi_mer", "joint_cnn", "mel_cnn_bert", "weighted_late_fusion"]


def test_there_is_a_summary_and_two_pages_per_paper_each_whole_and_every_link_and_picture_is_there(
    report,
):
    folder = report()
    pages = pages_of(folder)
    assert list(pages) == sorted(
        ["index.html", *(f"{paper}{ending}.html" for paper in PAPERS for ending in ("", "-runs"))]
    )
    for name, page in pages.items():
        assert page.open == []
        assert len(page.ids) == len(set(page.ids))
        for link in page.links:
            path, _, anchor = link.partition("#")
            assert (folder / (path or name)).is_file(), link
            assert not anchor or anchor in pages[path or name].ids, link
        assert page.headings[0] == 1 and all(
            b - a <= 1 for a, b in zip(page.headings, page.headings[1:], strict=False)
        )
    images = pages["weighted_late_fusion.html"].images
    assert len(images) == 4 and not pages["index.html"].images
    for image in images:
        assert (folder / image["src"]).is_file() and len(image["alt"]) > 40


def test_rows_and_pictures_lead_to_the_runs_behind_them(report):
    folder = report()
    pages = pages_of(folder)
    anchors = [
        link.partition("#")[2]
        for link in pages["weighted_late_fusion.html"].links
        if link.startswith("weighted_late_fusion-runs.html#")
    ]
    assert {"text_bert_8-meld", "text_bert_8-meld-clean", "text_bert_8-meld-as_published"} == set(
        anchors
    )
    text = (folder / "weighted_late_fusion-runs.html").read_text()
    clean = text[text.index('<article id="text_bert_8-meld-clean"') :]
    clean = clean[: clean.index("</article>")]
    for name, value in {
        "code digest": "97e2a4fe4db6e85d",
        "epoch selected on": "dev",
        "seeds": "1, 2",
        "device": "cpu",
        "split scheme": "official",
        "wall time": "123.0 s, all runs together",
        "training.learning_rate": "0.0002",
        "torch": "2.13.0",
    }.items():
        assert f"<dt>{name}</dt><dd>{value}</dd>" in clean, name
    rows = re.findall(r'<tr class="system"><th scope="row">(.*?)</tr>', clean)
    assert [re.sub("<[^>]*>", " ", row).split()[:3] for row in rows] == [
        ["0", "1", "3"],
        ["0", "2", "3"],
    ]  # fold, seed, epoch scored


def test_a_row_of_runs_that_are_not_there_is_refused(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    results = [make_result(corpus, system) for system in ("text_bert_8", "text_bert_16")]
    score(
        results,
        [corpus],
        EvaluationParams(resamples=100, confidence=0.95, seed=1),
        tmp_path / "scores.parquet",
    )
    build(tmp_path / "scores.parquet", REPORTED, tmp_path / "tables")
    with pytest.raises(
        StoreError, match=r"\w+\.html leads to .*#text_bert_16.*, which is not there"
    ):
        write(tmp_path / "tables", results[:1], [corpus], [], tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_pictures_that_were_drawn_before_are_not_drawn_again(
    tmp_path, make_corpus, make_result, monkeypatch
):
    corpus = make_corpus()
    result = make_result(corpus, "text_bert_8")
    score(
        [result],
        [corpus],
        EvaluationParams(resamples=100, confidence=0.95, seed=1),
        tmp_path / "scores.parquet",
    )
    build(tmp_path / "scores.parquet", REPORTED, tmp_path / "tables")

    def report(name, scratch):
        write(tmp_path / "tables", [result], [corpus], [], tmp_path / name, scratch)
        return {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*.*")
        }

    first = report("first", tmp_path / "drawn")
    assert {path.name for path in first if path.suffix == ".svg"} == {
        f"text_bert_8-meld-clean-{kind}.svg" for kind in ("confusion", "curves")
    }
    monkeypatch.setattr(figures, "confusion", None)
    monkeypatch.setattr(figures, "learning_curves", None)
    assert report("again", tmp_path / "drawn") == first
    with pytest.raises(TypeError):
        report("elsewhere", tmp_path / "empty")
    run = result / "run.json"
    run.write_text(run.read_text().replace('"train_loss": ', '"train_loss": 1'))  # another history
    with pytest.raises(TypeError):
        report("changed", tmp_path / "drawn")


def test_tables_about_all_papers_and_what_was_left_out_are_told(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    result = make_result(corpus, "text_bert_8")
    score(
        [result],
        [corpus],
        EvaluationParams(resamples=100, confidence=0.95, seed=1),
        tmp_path / "scores.parquet",
    )
    build(tmp_path / "scores.parquet", REPORTED, tmp_path / "tables")
    frame = pd.DataFrame(
        {
            "paper": ["weighted_late_fusion"],
            "system": ["text_bert_8"],
            "kind": ["system"],
            "f1": [0.5],
        }
    )
    table = Table(
        "cross",
        "Side by side.",
        "",
        frame,
        (words("system", "system"), number("F1", "f1", percent)),
    )
    for name, text in render(table).items():
        (tmp_path / "tables" / "overall").mkdir(exist_ok=True)
        (tmp_path / "tables" / "overall" / name).write_text(text)
    index = json.loads((tmp_path / "tables" / "index.json").read_text())
    index["overall"].append({"name": "cross", "title": "Side by side.", "folded": True})
    broken = make_result(corpus, "text_bert_16")
    (broken / "run.json").write_text("{}")
    index["missing"] = ["results/weighted_late_fusion/text_bert_16/meld-clean: no run is named"]
    (tmp_path / "tables" / "index.json").write_text(json.dumps(index))
    write(tmp_path / "tables", [result, broken], [corpus], [], tmp_path / "report")
    text = (tmp_path / "report" / "index.html").read_text()
    assert (
        '<th scope="row"><a href="weighted_late_fusion-runs.html#text_bert_8">text_<wbr>bert_<wbr>8</a></th><td class="n">50.00</td>'
        in text
    )
    assert (
        "<summary>Side by side.</summary>" in text
        and "tables/overall/cross.csv" in Page(text).links
    )
    for path in (tmp_path / "report").glob("*.html"):
        head = path.read_text().partition("<main")[0]
        assert (
            "<strong>Incomplete.</strong>" in head
            and "<li>results/weighted_late_fusion/text_bert_16/meld-clean: no run is named</li>"
            in head
        )


def test_nothing_is_loaded_from_the_network(report):
    folder = report()
    for path in folder.rglob("*"):
        if path.suffix in (".html", ".svg", ".css", ".js"):
            text = re.sub(
                r'xmlns(:\w+)?="[^"]*"|<!DOCTYPE[^>]*>|rdf:resource="[^"]*"', "", path.read_text()
            )
            assert not re.findall(r"https?:|url\((?!#)|@import", text)
            assert set(re.findall(r"<script[^>]*>", text)) <= {'<script src="report.js" defer>'}


def test_corpora_defects_cost_and_versions_are_told(report):
    text = re.sub(r"\s+", " ", (report() / "index.html").read_text())
    assert '<th scope="row">missing clip</th><td class="n">1</td><td>no clip</td>' in text
    assert (
        '<td class="n">240</td><td class="n">30</td><td>official</td>' in text
    )  # utterances, dialogues, scheme
    assert "<dt>torch</dt><dd>2.13.0</dd>" in text
    assert "3.1 minutes in all" in text  # three runs of 61.5 s


def test_paper_tables_and_claims_come_first_and_long_tables_are_folded(report):
    text = (report() / "weighted_late_fusion.html").read_text()
    section = text[text.index('<section id="meld"') :]
    first, *folded = re.split(r"<summary>(.*?)</summary>", section[: section.index("</section>")])
    *tables, claims, gap, leakage = re.findall(
        '<figure class="table[^>]*id="weighted_late_fusion-meld-([^"]*)"', first
    )
    assert (claims, gap, leakage) == ("claims", "gap", "leakage") and {
        "table-3-as_published",
        "table-3-clean",
    } <= set(tables)
    assert all(re.fullmatch(r"table-\d+(-as_published|-clean)?", name) for name in tables)
    assert [title.split(",")[0] for title in folded[::2]] == [
        "Audit of the numbers printed on meld: 18 findings (9 certain",
        "Dev results",
        "F1 of each class",
        "Every seed",
        "Learning curves of 1 system",
    ]
    assert 'id="joint_cnn-iemocap-claims"' in (report() / "joint_cnn.html").read_text()


def test_fusions_what_was_not_scored_and_weights_are_told(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    single, fusion = make_result(corpus, "text_bert_8"), make_result(corpus, "late_fusion")
    run = json.loads((fusion / "run.json").read_text())
    for one, weight in zip(run["runs"], (0.3, 0.4), strict=True):
        one |= {
            "selected_epochs": [],
            "history": [],
            "weights": {"text_bert_8": weight, "audio_wav2vec2": 1 - weight},
        }
    run["input_labels"] = {"tokens": "roberta@e2da8e2", "speech": "is13, functionals"}
    (fusion / "run.json").write_text(json.dumps(run))
    absent = "train_dia3_utt1"  # of train: dev and test are predicted in full
    run = json.loads((single / "run.json").read_text()) | {"left_out": {"tokens": [absent]}}
    (single / "run.json").write_text(json.dumps(run))
    score(
        [single, fusion],
        [corpus],
        EvaluationParams(resamples=100, confidence=0.95, seed=1),
        tmp_path / "scores.parquet",
    )
    build(tmp_path / "scores.parquet", REPORTED, tmp_path / "tables")
    write(tmp_path / "tables", [single, fusion], [corpus], [], tmp_path / "report")
    text = re.sub(r"\s+", " ", (tmp_path / "report" / "weighted_late_fusion.html").read_text())
    images = {image["src"].rpartition("/")[2]: image["alt"] for image in Page(text).images}
    assert set(images) == {
        f"{name}.svg"
        for name in ("text_bert_8-meld-clean-confusion", "text_bert_8-meld-clean-curves")
    } | {f"late_fusion-meld-clean-{kind}.svg" for kind in ("confusion", "weights")}
    told = "text_bert_8 0.35 (0.30 to 0.40); audio_wav2vec2 0.65 (0.60 to 0.70)."
    assert (
        images["late_fusion-meld-clean-weights.svg"]
        == f"late_fusion, clean. Mean weight over 2 runs: {told}"
    )
    text = (tmp_path / "report" / "index.html").read_text()
    assert "<td>roberta@e2da8e2, is13, functionals</td>" in text
    assert f'<td>tokens</td><td>absent</td><td class="n">1</td><td>{absent}</td>' in text
    seeds = pd.read_csv(
        tmp_path / "tables" / "weighted_late_fusion" / "meld-seeds.csv",
        dtype=str,
        keep_default_na=False,
    )
    assert seeds.groupby("system")["selected_epoch"].agg(list).to_dict() == {
        "late_fusion": ["", ""],
        "text_bert_8": ["3", "3"],
    }


def test_of_several_classes_at_once_recalls_are_drawn(tmp_path, make_mosei, make_mosei_result):
    corpus = make_mosei()
    folder = make_mosei_result(corpus, "visual", seeds=(1,))
    score(
        [folder],
        [corpus],
        EvaluationParams(resamples=100, confidence=0.95, seed=1),
        tmp_path / "scores.parquet",
    )
    build(tmp_path / "scores.parquet", REPORTED, tmp_path / "tables")
    write(tmp_path / "tables", [folder], [corpus], [], tmp_path / "report")
    page = Page((tmp_path / "report" / "class_weight_lstm.html").read_text())
    assert [image["src"].rpartition("-")[2] for image in page.images] == [
        "recalls.svg",
        "curves.svg",
    ]
    test = pd.read_parquet(folder / "predictions.parquet").query("split == 'test'")
    happy = pd.DataFrame(
        {column: ["happy" in names for names in test[column]] for column in ("labels", "predicted")}
    )
    present, absent = (
        happy.loc[happy["labels"] == there, "predicted"] == there for there in (True, False)
    )
    expected = [
        f"{100 * right.mean():.0f} % of {len(right)} {name} right"
        for right, name in ((present, "present"), (absent, "absent"))
    ]
    told, curves = (image["alt"] for image in page.images)
    assert told.startswith(f"visual, clean. happy: {expected[0]}, {expected[1]}; sad: ")
    assert (
        curves
        == "visual, clean. Mean over 1 run, by epoch: dev loss 1.000, 0.500; dev uar 0.500, 0.500; train loss 1.000, 0.500."
    )
    seeds = pd.read_csv(tmp_path / "tables" / "class_weight_lstm" / "mosei-seeds.csv")
    assert seeds["selected_epoch"].tolist() == ["1/2/3/4/5/1"]


def test_a_frame_sheet_stands_in_its_section_with_its_words(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    result = make_result(corpus, "video_clip")
    about = {
        "paper": "weighted_late_fusion",
        "system": "video_clip",
        "corpus": "meld",
        "caption": "A row is a clip.",
    }
    write_folder(
        tmp_path / "sheet",
        {
            "sheet.jpg": b"\xff\xd8",
            "sheet.json": json.dumps(about | {"clips": [{"words": "“Hi, Joey!” Joy."}]}),
        },
    )
    score(
        [result],
        [corpus],
        EvaluationParams(resamples=100, confidence=0.95, seed=1),
        tmp_path / "scores.parquet",
    )
    build(tmp_path / "scores.parquet", REPORTED, tmp_path / "tables")
    write(tmp_path / "tables", [result], [corpus], [tmp_path / "sheet"], tmp_path / "report")
    text = (tmp_path / "report" / "weighted_late_fusion.html").read_text()
    section = text[text.index('<section id="meld"') :]
    assert "<p>A row is a clip.</p>" in section and "<li>“Hi, Joey!” Joy.</li>" in section
    (image,) = (image for image in Page(text).images if image["src"].endswith(".jpg"))
    assert (tmp_path / "report" / image["src"]).read_bytes() == b"\xff\xd8" and len(
        image["alt"]
    ) > 40
    assert "Frames of a few clips" not in text[: text.index('<section id="meld"')]


def test_demo_is_said_at_the_top_of_the_pages_that_have_demo_rows_and_only_there(report):
    for name in ("index", "weighted_late_fusion", "weighted_late_fusion-runs"):
        assert (
            "<strong>Demo.</strong>"
            in (report("demo") / f"{name}.html").read_text().partition("<main")[0]
        )
    assert "<strong>Demo" not in (report("demo") / "joint_cnn.html").read_text()  # not run
    for path in report("official").glob("*.html"):
        assert "demo corpus" not in path.read_text() and "<strong>Demo" not in path.read_text()


def test_same_input_same_bytes(build_report, report):
    kept, made = (
        {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in (report(), build_report())
    )
    assert kept == made
    assert len(kept) > 15


def test_absent_tables_are_one_line(tmp_path):
    with pytest.raises(StoreError, match=r"index\.json: cannot be read"):
        write(tmp_path / "tables", [], [], [], tmp_path / "report")
