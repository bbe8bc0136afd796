"""A crowd at a room's desk in the demo: many buyers at once.

`start` begins a run, `buyers` is the program that carries it out, `runs` is what the two tell each other, and `rows`
looks whether the shop's own rows say what the buyers were told.
"""
