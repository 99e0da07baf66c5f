# Scores, tables and the report: everything computed anew from predictions.
#   out: results/scores/, results/tables/, results/sheets/, results/report/


rule score:
    input:
        data=plan.available(plan.score),
    output:
        scores=plan.score.out(paths.SCORES_INFO),
    log:
        "build/logs/score.log",
    conda:
        "../../environment.yml"
    params:
        cfg=plan.score.cfg,
    message:
        "score all predictions"
    shell:
        "merflow --log {log} score {input.data} --params {params.cfg:q} --out {output.scores}"


rule tables:
    input:
        data=plan.tables.data,
    output:
        index=plan.tables.out(paths.TABLE_INDEX),
        pages=[
            report(
                f"{paths.TABLES}/{folder}/{paths.TABLE_PAGE}",
                category=folder.replace("_", " "),
                caption="../report/tables.rst",
            )
            for folder in ("overall", *plan.params["run"]["papers"])
        ],
    log:
        "build/logs/tables.log",
    conda:
        "../../environment.yml"
    params:
        cfg=plan.tables.cfg,
    message:
        "tables: printed numbers beside measured ones"
    shell:
        "merflow --log {log} tables {input.data} --params {params.cfg:q} --out {output.index}"


rule sheet:
    input:
        data=plan.sheet.data,
    output:
        sheet=plan.sheet.out(paths.SHEET_INDEX),
    log:
        "build/logs/sheet/{corpus}.log",
    conda:
        "../../environment.yml"
    params:
        cfg=plan.sheet.cfg,
    message:
        "frame sheet of {wildcards.corpus}"
    shell:
        "merflow --log {log} sheet {wildcards.corpus} {input.data} --out {output.sheet}"


rule report:
    input:
        data=plan.available(plan.report),
    output:
        index=plan.report.out(paths.REPORT_INDEX),
    log:
        "build/logs/report.log",
    conda:
        "../../environment.yml"
    params:
        cfg=plan.report.cfg,
    message:
        "report"
    shell:
        "merflow --log {log} report {input.data} --scratch build/pictures --out {output.index}"
