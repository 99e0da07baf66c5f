"""Tables and report: printed numbers beside ours."""

#: Folder of the tables about all papers, beside one folder per paper.
OVERALL = "overall"
#: Image of a frame sheet.
SHEET_IMAGE = "sheet.jpg"
