import re
from xml.etree import ElementTree

import numpy as np

from merflow.tables.figures import attention, confusion, fusion_weights, learning_curves, recalls


def test_confusion_in_words():
    svg, words = confusion(np.array([[3, 1, 0], [2, 1, 1], [0, 0, 0]]), ("a", "b", "c"))
    assert (
        words
        == "a 75 % right, most often taken for b (25 %); b 25 % right, most often taken for a (50 %)."
    )
    assert ">75</text>" in svg and "<dc:date>" not in svg


def test_recalls_in_words():
    svg, words = recalls(np.array([[[3, 1], [1, 1]], [[0, 0], [3, 0]]]), ("a", "b"))
    assert (
        words
        == "a: 50 % of 2 present right, 75 % of 4 absent right; b: 0 % of 3 present right, none absent."
    )
    assert (
        all(f">{text}</text>" in svg for text in ("75", "50", "none", "present", "absent"))
        and "<dc:date>" not in svg
    )


def test_learning_curves_in_words():
    history = [
        {"epoch": 1, "train_loss": 1.0, "dev_weighted_f1": 0.25},
        {"epoch": 2, "train_loss": 0.5, "dev_weighted_f1": 0.5},
    ]
    svg, words = learning_curves([history, history])
    assert (
        words
        == "Mean over 2 runs, by epoch: train loss 1.000, 0.500; dev weighted f1 0.250, 0.500."
    )
    assert svg.count(">train loss</text>") == 1


def test_weights_in_words_and_a_dot_per_run():
    runs = [
        {"weights": {"text": text, "video": 1 - text}, "temperatures": None}
        for text in (0.5, 0.75, 0.75, 1.0)
    ]
    svg, words = fusion_weights(runs)
    assert words == "Mean weight over 4 runs: text 0.75 (0.50 to 1.00); video 0.25 (0.00 to 0.50)."
    assert (
        len(re.findall(r"<use ", svg)) - len(re.findall(r"<use ", fusion_weights(runs[:1])[0]))
        == 3 * 2
    )  # runs x members
    assert svg == fusion_weights(runs)[0] and "temperature" not in svg


def test_weights_of_a_calibrated_fusion_name_its_mean_temperatures():
    runs = [
        {"weights": {"text": 1.0, "video": 0.0}, "temperatures": {"text": t, "video": 3.0}}
        for t in (1.0, 2.0)
    ]
    svg, words = fusion_weights(runs)
    assert (
        words
        == "Mean weight over 2 runs: text 1.00 at temperature 1.50; video 0.00 at temperature 3.00."
    )
    assert "temperature 1.50" in svg and "temperature 3.00" in svg


def test_attention_in_words_by_the_classes_that_occur():
    weights = np.array([[0.2, 0.8], [0.4, 0.6], [0.9, 0.1]])
    svg, words = attention(
        weights,
        np.array([[1, 0, 0], [1, 0, 0], [0, 0, 1]]),
        ("joy", "fear", "anger"),
        ("speech", "text"),
    )
    assert (
        words
        == "joy (2): speech 30 ± 10 %, text 70 ± 10 %; anger (1): speech 90 ± 0 %, text 10 ± 0 %."
    )
    assert (
        all(f">{text}</text>" in svg for text in ("joy", "anger", "speech", "text"))
        and ">fear</text>" not in svg
    )
    _, told = attention(
        weights, np.array([[1, 1], [0, 1], [0, 0]]), ("joy", "anger"), ("speech", "text")
    )
    assert (
        told
        == "joy (1): speech 20 ± 0 %, text 80 ± 0 %; anger (2): speech 30 ± 10 %, text 70 ± 10 %."
    )


def test_svg_is_lean_and_whole():
    svg, _ = learning_curves([[{"epoch": k, "train_loss": 1 / k} for k in range(1, 41)]] * 10)
    assert len(svg) < 12_000  # matplotlib writes 230 kB
    root = ElementTree.fromstring(svg)
    assert root.get("viewBox") and "#ffffff" not in svg  # transparent
    classes = set(" ".join(element.get("class", "") for element in root.iter()).split())
    assert classes and all(f".{name}{{" in svg for name in classes)
    ids = {element.get("id") for element in root.iter()}
    assert set(re.findall(r"#([\w.-]+)\)", svg)) | set(re.findall(r'href="#([^"]+)"', svg)) <= ids
