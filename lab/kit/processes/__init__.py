"""Programs that tests start, and who starts them."""
