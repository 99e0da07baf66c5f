"""Number of GPUs that jobs may take.

It is the resource ``gpu`` of a profile. Without a profile there is no limit.

Rules ask for the GPUs that they can use, and Snakemake caps what they ask for at the limit. The
process of Snakemake that runs a job on another machine is not told the limit, so it is in the
environment too.
"""

import os
from typing import Any

LIMIT = "MERFLOW_GPUS"  # environment variable


def apply(workflow: Any) -> None:
    """Set the limit of this process of Snakemake.

    Args:
        workflow: Snakemake's, as a Snakefile sees it.
    """
    if workflow.is_main_process:
        given = workflow.global_resources
        os.environ[LIMIT] = str(given["gpu"].value) if "gpu" in given else "0"
    workflow.register_resource("gpu", int(os.environ.get(LIMIT, "0")))
