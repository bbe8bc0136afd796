"""What happens to messages and somebody has to look at, as lines of the log."""

from charites.common.events import Event

MESSAGE_DEAD = Event(
    "message_dead",
    "A message was given up: somebody has to look. `reason`: what it failed with.",
    ("message_id", "topic", "key", "reason"),
    is_failure=True,
)
