# Scores, tables and the report: everything recomputed from predictions.
#   out: results/scores.parquet, results/tables/, results/sheets/, results/report/


rule score:
    input:
        plan.at_hand(plan.score),
    output:
        plan.score.outs,
    log:
        "build/logs/score.log",
    params:
        cfg=plan.score.cfg,
    message:
        "score all predictions"
    shell:
        "merflow --log {log} score {input} --params {params.cfg:q} --out {output}"


rule tables:
    input:
        plan.tables.data,
    output:
        plan.tables.outs,
        *[
            report(
                f"results/tables/{folder}/tables.html",
                category=folder.replace("_", " "),
                caption="../report/tables.rst",
            )
            for folder in ("overall", *plan.params["run"]["papers"])
        ],
    log:
        "build/logs/tables.log",
    params:
        cfg=plan.tables.cfg,
    message:
        "tables: printed beside ours"
    shell:
        "merflow --log {log} tables {input} --params {params.cfg:q} --out {output[0]}"


rule sheet:
    input:
        plan.sheet.data,
    output:
        plan.sheet.outs,
    log:
        "build/logs/sheet/{corpus}.log",
    params:
        cfg=plan.sheet.cfg,
    message:
        "frame sheet of {wildcards.corpus}"
    shell:
        "merflow --log {log} sheet {wildcards.corpus} {input} --out {output}"


rule report:
    input:
        plan.at_hand(plan.report),
    output:
        plan.report.outs,
    log:
        "build/logs/report.log",
    params:
        cfg=plan.report.cfg,
    message:
        "report"
    shell:
        "merflow --log {log} report {input} --scratch build/pictures --out {output}"
