"""Lines of small printed tables, as tests/tables/audit/conftest.py reads them."""

CLASSES = ("neutral", "joy", "anger")


def lines(*rows):
    return "\n".join(rows)


def table_row(overall=(), **metrics):
    """Lines of one row: of each metric a value per class, in percent.

    `overall`: (metric, value) over all classes.
    """
    cells = [
        (metric, name, value)
        for metric, values in metrics.items()
        for name, value in zip(CLASSES, values, strict=False)
    ]
    cells += [(metric, "-", value) for metric, value in overall]
    return lines(*(f"1 a s {metric} {name} test {value} percent" for metric, name, value in cells))
