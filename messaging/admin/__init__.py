"""The pages of the admin for messages, and for webhooks."""

from messaging.admin import messages, webhooks

__all__ = ["messages", "webhooks"]
