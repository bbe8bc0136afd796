"""Measurements, each a program of its own: `python -m lab.bench.drain`. They start private servers."""
