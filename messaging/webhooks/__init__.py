"""Events for other systems: kept with their cause, spread among those who want them, sent until they are taken.

outbox     what is announced commits with its cause, and becomes a delivery for each endpoint that wants it
endpoints  who is told of what; secrets, replays
sending    deliveries leave in order for each key; a failing endpoint is tried less and less, others never wait for it
addresses  where no call may go
"""
