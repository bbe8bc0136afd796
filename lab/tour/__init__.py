"""A narrated walk through the running shop, over HTTP, as its clients see it."""
