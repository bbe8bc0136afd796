"""What must hold when a node of several dies while sixteen buyers are at it.

Every test here takes the fixture `trials`: it does a short form in `make test` and all of it in `make drill`, which
writes docs/drills.md.
"""
