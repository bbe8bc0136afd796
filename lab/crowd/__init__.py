"""A crowd at a room's desk in the demo: many buyers at once, and the room as it was before.

`start` begins a run, `buyers` is the program that carries it out, `runs` is what the two tell each other, `rows` looks
whether the shop's own rows say what the buyers were told, `reset` puts a room back.
"""
