"""Who would take the shop away from others: slow, idle, many and large clients, on loopback, bounded in number."""
