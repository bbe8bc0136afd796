"""What must hold when things die, come twice, come late, or meet at the worst moment.

Every test here takes the fixture `trials`: it does a sample in `make test` and all of it in `make faults`, which writes
docs/faults.md.
"""
