from django.utils.translation import gettext_lazy as _

from charites.common.errors import Kind, NotFound, ServiceError


class MessageNotFound(NotFound):
    """There is no dead message with this id."""

    code = 60010001


class DeliveryFailed(ServiceError):
    """A receiver refused a message or did not answer; the ladder tries again."""

    code = 60010002


class EndpointNotFound(NotFound):
    code = 60010003
    text = _("There is no webhook endpoint %(endpoint_id)s.")
    example = {"endpoint_id": 1}


class DeliveryNotFound(NotFound):
    """There is no delivery with this id."""

    code = 60010004


class TooManyEndpoints(ServiceError):
    kind = Kind.CONFLICT
    code = 60010005
    text = _("There are %(limit)s webhook endpoints already: remove one first.")
    example = {"limit": 1000}


class DeliveryHeldUp(ServiceError):
    kind = Kind.CONFLICT
    code = 60010006
    text = _("Delivery %(delivery_id)s waits behind delivery %(first_id)s about the same: send that one again first.")
    example = {"delivery_id": 8, "first_id": 7}
