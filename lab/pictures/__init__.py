"""`make pictures`: what the documentation shows of the pages, taken in a browser from a demo shop of its own."""
