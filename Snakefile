"""merflow: from raw clips to the papers' result tables.

    fetch -> prepare -> decode -> extract -> train -> score -> tables -> report
    (workflow/rules/: one file per step or group of steps, wiring only)

dvc.yaml declares the stages with their inputs and outputs, and the rules read it. Parameters live
in params.yaml, machines in profiles/. `snakemake --cores N` brings everything up to date and
commits it to DVC.
"""

import sys

sys.path.insert(0, f"{workflow.basedir}/workflow/lib")

import before_jobs
import failures
import gpu_limit
import partial_report
import sync
import user_files
import warm_process
from plan import Plan
from run_lock import RunLock

from merflow import paths

run_lock = RunLock(job=not workflow.is_main_process)
try:
    plan = Plan()
    plan.everything = lambda: partial_report.asks_for_everything(workflow)
    with run_lock.while_reading() as alone:
        plan.write()
        if alone:
            user_files.update(plan, sync.folder_changed)
            sync.reconcile(plan)
        if run_lock.killed:
            sync.catch_up(plan)
except failures.MENDABLE as error:
    raise failures.refusal(error) from None


# after Plan, whose errors are one line
configfile: "params.yaml"


report: "workflow/report/workflow.rst"


if config != plan.params:
    raise WorkflowError(
        "--config would make results that params.yaml does not describe: set parameters there"
    )


gpu_limit.apply(workflow)


wildcard_constraints:
    corpus="|".join(plan.params["corpora"]),
    checkpoint=r"\w+",
    shard=r"\d+",
    shards=r"\d+",
    paper=r"\w+",
    system=r"\w+",
    protocol=r"\w+",
    feature=r"\w+",


# Every artifact is asked for by name. Snakemake considers an absent intermediate artifact, whose
# job failed, not needed as long as something made from an earlier version of it exists.
rule all:
    input:
        user_files.everything(plan, workflow, run_lock),


# `conda env create` makes the environment that rules name (README.md). Snakemake's own `--sdm conda`
# cannot, since environment.yml installs this checkout.
include: "workflow/rules/corpora.smk"
include: "workflow/rules/checkpoints.smk"
include: "workflow/rules/media.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/tables.smk"


onstart:
    try:
        sync.check()
        run_lock.begin()
        before_jobs.check(plan, workflow, run_lock.first)
        if workflow.local_exec and not workflow.touch:
            warm_process.start()
    except failures.MENDABLE as error:
        run_lock.end()
        raise failures.refusal(error) from None


onsuccess:
    try:
        run_lock.let_dvc_in()
        sync.commit(
            plan, [path for job in workflow.dag.jobs for path in job.output]
        )
        run_lock.end()
    except failures.MENDABLE as error:
        raise failures.refusal(error) from None


onerror:
    failed, remark = failures.of(workflow), None
    try:
        sync.remember(plan)
        run_lock.let_dvc_in()
        remark = partial_report.make(plan, workflow)
    except failures.MENDABLE as error:
        remark = f"error: {failures.mendable(error)}"
    run_lock.end()
    failures.end(failed, [remark])
