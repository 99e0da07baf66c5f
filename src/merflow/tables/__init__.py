"""What people read: printed numbers beside ours, as tables and as a report."""

#: Folder of the tables about all papers, beside those of each.
OVERALL = "overall"
