"""What `manage.py order_faults` does: a private split shop, in which something dies at a chosen step."""
