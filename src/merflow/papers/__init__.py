"""Papers: one module each, in the paper's order: networks, fusions, systems."""
