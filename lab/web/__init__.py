"""Pages that the instruments bring to the demo, which includes them by name; for callers on this machine alone."""
