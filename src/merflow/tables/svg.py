"""SVG of matplotlib figures in a third of the bytes, and always the same bytes."""

import io
import re
from xml.etree import ElementTree

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
NUMBER = re.compile(r"-?\d+\.\d+")
NO_ROTATION = re.compile(r"\s*rotate\(-?0 [^)]*\)")
GEOMETRY = ("d", "points", "x", "y", "width", "height", "transform")
ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", LINK)


def svg_of(figure: Figure) -> str:
    """Write the figure on a transparent ground.

    Everything that the image does not show is left out: metadata, comments, groups with a single
    element, unused ids, and digits beyond a tenth of a point. Repeated styles become classes of one
    style sheet.
    """
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    out = io.StringIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    FigureCanvasSVG(figure).print_svg(out, metadata=metadata)
    root = ElementTree.fromstring(out.getvalue())
    classes: dict[str, str] = {}
    for element in root.iter():
        _shorten(element)
        if style := element.attrib.pop("style", ""):
            element.set("class", classes.setdefault(style, f"s{len(classes)}"))
    _unwrap(root, _used_ids(root))
    sheet = root.find(f".//{{{SVG}}}style")
    if sheet is not None:
        rules = (f".{name}{{{_compact(style)}}}" for style, name in classes.items())
        sheet.text = f"{sheet.text or ''}{''.join(rules)}"
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _shorten(element: ElementTree.Element) -> None:
    """Drop blank text, digits, and transforms that do nothing."""
    element.tail = None
    if not (element.text or "").strip():
        element.text = None
    for name in GEOMETRY:
        if name in element.attrib:
            element.set(name, _rounded(element.get(name, "")))
    if not element.get("transform", "-"):
        del element.attrib["transform"]


def _compact(style: str) -> str:
    return style.replace("; ", ";").replace(": ", ":")


def _rounded(value: str) -> str:
    """Round numbers to a tenth of a point, without rotation by 0 and line breaks."""
    short = lambda match: f"{float(match[0]):.1f}".removesuffix(".0")
    value = NUMBER.sub(short, NO_ROTATION.sub("", value))
    value = " ".join(value.split())
    return re.sub(r" ?([A-Za-z]) ?(?=[-\d]|$)", r"\1", value) if value[:1] == "M" else value


def _used_ids(root: ElementTree.Element) -> set[str]:
    """Ids that something in the image refers to."""
    values = " ".join(
        value for element in root.iter() for key, value in element.attrib.items() if key != "id"
    )
    return set(re.findall(r"#([\w.-]+)", values))


def _unwrap(parent: ElementTree.Element, used_ids: set[str]) -> None:
    """Drop unused ids, metadata, empty groups, and groups without attributes."""
    for child in list(parent):
        _unwrap(child, used_ids)
        if child.get("id") not in used_ids:
            child.attrib.pop("id", None)
        if child.tag == f"{{{SVG}}}metadata" or (child.tag == f"{{{SVG}}}g" and not len(child)):
            parent.remove(child)
        elif child.tag == f"{{{SVG}}}g" and not child.attrib:
            place = list(parent).index(child)
            parent[place : place + 1] = list(child)
