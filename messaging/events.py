"""What happens to messages and somebody has to look at, as lines of the log."""

from charites.common.events import Event

MESSAGE_DEAD = Event(
    "message_dead",
    "A message was given up: somebody has to look. `reason`: what it failed with.",
    ("message_id", "topic", "key", "reason"),
    is_failure=True,
)
WEBHOOK_DEAD = Event(
    "webhook_dead",
    "An event was given up for one endpoint, which takes others: somebody has to look.",
    ("endpoint_id", "delivery_id", "kind", "key", "reason"),
    is_failure=True,
)
WEBHOOK_SWITCHED_OFF = Event(
    "webhook_switched_off",
    "An endpoint has taken nothing for days, or is gone: nothing is sent to it any more.",
    ("endpoint_id", "reason"),
    is_failure=True,
)
DEAD_LETTER = Event(
    "dead_letter",
    "What came over the broker is no message of a service of ours; it was put aside, and somebody has to look.",
    ("queue", "reason"),
    is_failure=True,
)
