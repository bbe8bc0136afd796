"""Who commits for whom. What every strategy promises is in ../contract.

No sleeps: a participant that waits in the middle of a batch says what queues up meanwhile.
"""
