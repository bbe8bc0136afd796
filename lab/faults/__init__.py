"""What `manage.py order_faults` does: a private split shop, in which something dies at a chosen step. And what may
happen to a Redis (lost_redis.py), which `make faults` does."""
