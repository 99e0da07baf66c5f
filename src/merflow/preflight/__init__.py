"""Pre-flight: what is known to be missing for a run, before its first job.

- ``findings``: the list, a line each with how to go on without the thing.
- ``hosts``: hosts that do not answer.
- ``room``: room on the disk; sizes are rough where nothing exists yet.

Imports are light: a start of Snakemake loads what a finding needs only if it asks for it.
"""
