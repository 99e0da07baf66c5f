"""A figure of matplotlib as SVG of a third of the size that it writes: the same picture, the same bytes for the same numbers."""

import io
import re
from xml.etree import ElementTree

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
NUMBER = re.compile(r"-?\d+\.\d+")
TURNED = re.compile(r"\s*rotate\(-?0 [^)]*\)")
GEOMETRY = ("d", "points", "x", "y", "width", "height", "transform")
ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", LINK)


def svg_of(figure: Figure) -> str:
    """The figure on a transparent ground.

    Left out is what no picture shows: metadata, comments, groups that hold one thing, ids that nothing refers to, digits beyond a tenth
    of a point. What several things look like is said once, in a style sheet.
    """
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    out = io.StringIO()
    FigureCanvasSVG(figure).print_svg(
        out, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    root = ElementTree.fromstring(out.getvalue())
    looks: dict[str, str] = {}
    for element in root.iter():
        element.tail = None
        if not (element.text or "").strip():
            element.text = None
        for name in GEOMETRY:
            if name in element.attrib:
                element.set(name, _rounded(element.get(name, "")))
        if not element.get("transform", "-"):
            del element.attrib["transform"]
        if style := element.attrib.pop("style", ""):
            element.set("class", looks.setdefault(style, f"s{len(looks)}"))
    _unwrap(root, _referred(root))
    sheet = root.find(f".//{{{SVG}}}style")
    if sheet is not None:
        rules = (
            f".{name}{{{style.replace('; ', ';').replace(': ', ':')}}}"
            for style, name in looks.items()
        )
        sheet.text = f"{sheet.text or ''}{''.join(rules)}"
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _rounded(value: str) -> str:
    """Numbers to a tenth of a point; no turn by nothing; no line breaks."""
    value = NUMBER.sub(
        lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), TURNED.sub("", value)
    )
    return (
        re.sub(r" ?([A-Za-z]) ?(?=[-\d]|$)", r"\1", " ".join(value.split()))
        if value[:1] == "M"
        else " ".join(value.split())
    )


def _referred(root: ElementTree.Element) -> set[str]:
    """Ids that something in the picture refers to."""
    values = " ".join(
        value for element in root.iter() for key, value in element.attrib.items() if key != "id"
    )
    return set(re.findall(r"#([\w.-]+)", values))


def _unwrap(parent: ElementTree.Element, kept: set[str]) -> None:
    """Drop ids that are not `kept`, empty groups, and groups that say nothing about what they hold."""
    for child in list(parent):
        _unwrap(child, kept)
        if child.get("id") not in kept:
            child.attrib.pop("id", None)
        if child.tag == f"{{{SVG}}}metadata" or (child.tag == f"{{{SVG}}}g" and not len(child)):
            parent.remove(child)
        elif child.tag == f"{{{SVG}}}g" and not child.attrib:
            place = list(parent).index(child)
            parent[place : place + 1] = list(child)
