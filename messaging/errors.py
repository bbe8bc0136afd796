from charites.common.errors import NotFound, ServiceError


class MessageNotFound(NotFound):
    """There is no dead message with this id."""

    code = 60010001


class DeliveryFailed(ServiceError):
    """A receiver refused a message or did not answer; the ladder tries again."""

    code = 60010002
