"""Measurements, each a program of its own: `python -m lab.bench.timeouts`. They start private servers."""
