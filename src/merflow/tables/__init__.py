"""Tables and report: printed numbers beside ours."""

#: Folder of the tables about all papers, beside one folder per paper.
OVERALL = "overall"
#: Files of a frame sheet: its content, written last, and its image.
SHEET, SHEET_IMAGE = "sheet.json", "sheet.jpg"
