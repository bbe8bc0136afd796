"""What must be true of messages, in every service."""

from charites.audit.check import Check

MESSAGING = (
    Check(
        "I6-overdue",
        "a message is delivered soon after it is due",
        "SELECT id FROM messaging_message WHERE state = 'ready' AND deliver_at < %(grace_end)s",
    ),
    Check(
        "I6-dead",
        "no message was given up",
        "SELECT id FROM messaging_message WHERE state = 'dead'",
    ),
    Check(
        "I7-half",
        "no half message waits for its answer longer than its checks take",
        "SELECT id FROM messaging_message WHERE state = 'half' AND created_at < %(grace_end)s",
    ),
)
