"""Fuzzers: the whole shop is sent what nobody means, and has to say no to it in its own words."""
