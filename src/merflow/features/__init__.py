"""Feature extractors: one module each. They get texts or arrays, never paths."""

#: Name -> module; a new feature is one line here and one module.
EXTRACTORS = {
    "bert": "merflow.features.text.bert",
}
