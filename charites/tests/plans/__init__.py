"""What the statements of the shop read where there is much of everything, also of what waits: a few rows, by an index.

Each is explained by MariaDB's planner, and the rows that it really read are counted. How fast they are with a million
orders is for `make bench` to say (lab/bench/b9_scale.py).
"""
