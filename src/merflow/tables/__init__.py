"""What people read: printed numbers beside ours, as tables and as a report."""
