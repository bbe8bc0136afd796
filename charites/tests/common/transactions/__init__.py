"""The runner: how each transaction ended, what is run again, what is asked, and what callers are told."""
