"""What people read: printed numbers beside ours, as tables and as a report."""

#: Folder of the tables about all papers, beside those of each.
OVERALL = "overall"
#: Files of a frame sheet: what it says, written last, and its picture.
SHEET, SHEET_PICTURE = "sheet.json", "sheet.jpg"
