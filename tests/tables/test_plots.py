import re
from xml.etree import ElementTree

import numpy as np

from merflow.tables.plots import (
    attention,
    confusion,
    distribution,
    fusion_weights,
    learning_curves,
    recalls,
    tokens_against,
)


def texts_of(svg):
    return set(re.findall(r">([^<>]+)</text>", svg))


def test_a_confusion_matrix_in_words():
    plot = confusion(np.array([[3, 1, 0], [2, 1, 1], [0, 0, 0]]), ("a", "b", "c"))
    a = "a 75 % correct, most often confused with b (25 %)"
    b = "b 25 % correct, most often confused with a (50 %)"
    assert plot.description == f"{a}; {b}."
    assert "75" in texts_of(plot.svg) and "<dc:date>" not in plot.svg


def test_a_distribution_in_words():
    plot = distribution([1500, 500, 0], ("joy", "anger", "fear"), 2000)
    shares = "joy 1,500 (75.0 %), anger 500 (25.0 %), fear 0 (0.0 %)"
    assert plot.description == f"Of 2,000: {shares}."
    assert {"1,500 (75.0 %)", "joy", "number (2,000 in all)"} <= texts_of(plot.svg)


def test_recalls_in_words():
    plot = recalls(np.array([[[3, 1], [1, 1]], [[0, 0], [3, 0]]]), ("a", "b"))
    a = "a: 50 % of 2 present correct, 75 % of 4 absent correct"
    assert plot.description == f"{a}; b: 0 % of 3 present correct, none absent."
    assert {"75", "50", "none", "present", "absent"} <= texts_of(plot.svg)
    assert "<dc:date>" not in plot.svg


def test_learning_curves_in_words():
    history = [
        {"epoch": 1, "train_loss": 1.0, "dev_weighted_f1": 0.25},
        {"epoch": 2, "train_loss": 0.5, "dev_weighted_f1": 0.5},
    ]
    plot = learning_curves([history, history])
    curves = "train loss 1.000, 0.500; dev weighted f1 0.250, 0.500"
    assert plot.description == f"Mean over 2 runs, by epoch: {curves}."
    assert plot.svg.count(">train loss</text>") == 1


def test_fusion_weights_in_words_and_a_dot_per_run():
    weights = [{"text": text, "video": 1 - text} for text in (0.5, 0.75, 0.75, 1.0)]
    plot, single = fusion_weights(weights, []), fusion_weights(weights[:1], [])
    means = "text 0.75 (0.50 to 1.00); video 0.25 (0.00 to 0.50)"
    assert plot.description == f"Mean weight over 4 runs: {means}."
    runs, members = 3, 2  # three runs more than in the single one
    dots, dots_of_one = (len(re.findall(r"<use ", svg)) for svg in (plot.svg, single.svg))
    assert dots - dots_of_one == runs * members
    assert plot == fusion_weights(weights, []) and "temperature" not in plot.svg


def test_weights_of_a_calibrated_fusion_name_temperatures():
    weights = [{"text": 1.0, "video": 0.0}] * 2
    plot = fusion_weights(weights, [{"text": t, "video": 3.0} for t in (1.0, 2.0)])
    means = "text 1.00 at temperature 1.50; video 0.00 at temperature 3.00"
    assert plot.description == f"Mean weight over 2 runs: {means}."
    assert {"temperature 1.50", "temperature 3.00"} <= texts_of(plot.svg)


def test_attention_in_words_by_the_classes_that_occur():
    weights = np.array([[0.2, 0.8], [0.4, 0.6], [0.9, 0.1]])
    present = np.array([[1, 0, 0], [1, 0, 0], [0, 0, 1]])
    plot = attention(weights, present, ("joy", "fear", "anger"), ("speech", "text"))
    joy, anger = "speech 30 ± 10 %, text 70 ± 10 %", "speech 90 ± 0 %, text 10 ± 0 %"
    assert plot.description == f"joy (2): {joy}; anger (1): {anger}."
    texts = texts_of(plot.svg)
    assert {"joy", "anger", "speech", "text"} <= texts and "fear" not in texts


def test_attention_of_an_utterance_counts_for_all_its_classes():
    weights = np.array([[0.2, 0.8], [0.4, 0.6], [0.9, 0.1]])
    present = np.array([[1, 1], [0, 1], [0, 0]])
    plot = attention(weights, present, ("joy", "anger"), ("speech", "text"))
    joy, anger = "speech 20 ± 0 %, text 80 ± 0 %", "speech 30 ± 10 %, text 70 ± 10 %"
    assert plot.description == f"joy (1): {joy}; anger (2): {anger}."


def test_tokens_against_a_score_in_words():
    systems = [
        {"system": "a", "protocol": "as_published", "tokens": 12.5, "score": 0.625},
        {"system": "b", "protocol": "clean", "tokens": 784.0, "score": 0.5},
    ]
    plot = tokens_against(systems, "accuracy")
    a, b = "a, as published: 12.5 tokens, 62.5 %", "b, clean: 784.0 tokens, 50.0 %"
    assert plot.description == f"accuracy on test: {a}; {b}."
    assert {"a", "b", "accuracy, %"} <= texts_of(plot.svg)
    assert plot == tokens_against(systems, "accuracy")


def test_a_plot_knows_its_size():
    plot = learning_curves([[{"epoch": 1, "train_loss": 1.0}]])
    root = ElementTree.fromstring(plot.svg)
    width, height = (
        round(float(root.get(name).removesuffix("pt"))) for name in ("width", "height")
    )
    assert (plot.width, plot.height) == (width, height) == (259, 144)


def test_svg_is_lean_and_whole():
    svg = learning_curves([[{"epoch": k, "train_loss": 1 / k} for k in range(1, 41)]] * 10).svg
    assert len(svg) < 12_000  # matplotlib writes 230 kB
    root = ElementTree.fromstring(svg)
    assert root.get("viewBox") and "#ffffff" not in svg  # transparent
    classes = set(" ".join(element.get("class", "") for element in root.iter()).split())
    assert classes and all(f".{name}{{" in svg for name in classes)
    ids = {element.get("id") for element in root.iter()}
    references = set(re.findall(r"#([\w.-]+)\)", svg)) | set(re.findall(r'href="#([^"]+)"', svg))
    assert references <= ids
