"""Webhook endpoints over REST."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from charites.common import clock
from charites.common.announcements import KINDS
from charites.common.auth import Permission
from charites.common.errors import Forbidden
from charites.common.models import REASON_LENGTH
from charites.common.rest import (
    Answer,
    CountField,
    Endpoint,
    FlagField,
    IdField,
    KeyField,
    OneOfField,
    PagedSerializer,
    PageSerializer,
    SecretField,
    StrictSerializer,
    TextField,
    allowed,
    cursor_of,
    documented,
    paged,
    shown,
    valid_body,
    valid_query,
)
from messaging import errors
from messaging.models import URL_LENGTH, WebhookDelivery, WebhookEndpoint
from messaging.webhooks import endpoints, reading

OFF = "What happens while it is off is not sent later; read the orders for that time."


class EventTypesField(serializers.ListField):
    """Events that an endpoint is told of."""

    def __init__(self, **options: Any) -> None:
        child = OneOfField([(name, kind.meaning) for name, kind in sorted(KINDS.items())])
        super().__init__(source="kinds", child=child, allow_empty=False, max_length=50, **options)


class AddEndpointSerializer(StrictSerializer):
    url = SecretField(max_length=URL_LENGTH, help_text="https://; no redirects are followed")
    event_types = EventTypesField()
    description = TextField(required=False, max_length=REASON_LENGTH)


class ChangeEndpointSerializer(StrictSerializer):
    url = SecretField(required=False, max_length=URL_LENGTH)
    event_types = EventTypesField(required=False)
    description = TextField(required=False, allow_blank=True, max_length=REASON_LENGTH)
    is_enabled = FlagField(required=False, help_text=f"true: what waits is sent at once, also where it was on. {OFF}")


class EndpointSerializer(serializers.Serializer[WebhookEndpoint]):
    endpoint_id = IdField(source="pk")
    url = serializers.CharField()
    event_types = serializers.ListField(source="kinds", child=serializers.CharField())
    description = serializers.CharField()
    is_enabled = serializers.BooleanField(help_text=OFF)
    switched_off_because = serializers.CharField(help_text="empty unless it failed for days, or is gone")
    failing_since = serializers.DateTimeField(allow_null=True)
    paused_until = serializers.DateTimeField(allow_null=True, help_text="its next try, after it took nothing")
    created_at = serializers.DateTimeField()


class NewEndpointSerializer(EndpointSerializer):
    secret = serializers.CharField(help_text="signs what is sent; shown this once")


class ListEndpointsSerializer(PagedSerializer):
    pass


class EndpointListSerializer(PageSerializer):
    endpoints = EndpointSerializer(many=True)


class ListDeliveriesSerializer(PagedSerializer):
    state = OneOfField(WebhookDelivery.State.choices, required=False)
    key = KeyField(required=False, help_text="of an order, a product or a room")


class DeliverySerializer(serializers.Serializer[WebhookDelivery]):
    delivery_id = IdField(source="pk")
    event_id = IdField(help_text="the header webhook-id is this with evt_ before it")
    event_type = serializers.CharField(source="kind")
    key = serializers.CharField()
    payload = serializers.DictField(source="data")
    happened_at = serializers.DateTimeField()
    state = serializers.ChoiceField(WebhookDelivery.State.choices)
    attempts = CountField()
    next_try_at = serializers.DateTimeField(
        allow_null=True, help_text="not before the endpoint's paused_until; null while the endpoint is off"
    )
    done_at = serializers.DateTimeField(allow_null=True)
    last_error = serializers.CharField()


class DeliveryListSerializer(PageSerializer):
    deliveries = DeliverySerializer(many=True)


AN_ENDPOINT: dict[str, Any] = {
    "endpoint_id": "1",
    "url": "https://shop.example/hooks",
    "event_types": ["order.paid", "order.placed"],
    "description": "warehouse",
    "is_enabled": True,
    "switched_off_because": "",
    "failing_since": None,
    "paused_until": None,
    "created_at": "2026-06-01T12:00:00Z",
}
A_NEW_ENDPOINT = {name: AN_ENDPOINT[name] for name in ("url", "event_types", "description")}
WITH_SECRET = {**AN_ENDPOINT, "secret": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}
A_DELIVERY: dict[str, Any] = {
    "delivery_id": "7",
    "event_id": "649238400000000005",
    "event_type": "order.paid",
    "key": "649238400000000001",
    "payload": {"order_id": "649238400000000001"},
    "happened_at": "2026-06-01T12:01:30Z",
    "state": "done",
    "attempts": 1,
    "next_try_at": None,
    "done_at": "2026-06-01T12:01:31Z",
    "last_error": "",
}


SEEING = (Permission.VIEW_WEBHOOKS, Permission.CHANGE_WEBHOOKS)  # who may change them sees them, as in the admin
WRITING = {
    "POST": (Permission.ADD_WEBHOOKS,),
    "PATCH": (Permission.CHANGE_WEBHOOKS,),
    "DELETE": (Permission.DELETE_WEBHOOKS,),
}


class OfEndpoints(Endpoint):
    """What the methods of one address do takes permissions of their own."""

    def get_permissions(self) -> list[Any]:
        return [*super().get_permissions(), allowed(*WRITING.get(str(self.request.method), SEEING))()]


class EndpointListView(OfEndpoints):
    @documented(
        "List webhook endpoints",
        description="For staff who may see them. By their ids, upwards.",
        operation_id="list_webhooks",
        parameters=[ListEndpointsSerializer],
        answers=Answer(
            EndpointListSerializer, "A page of endpoints.", {"endpoints": [AN_ENDPOINT], "next": None, "previous": None}
        ),
        errors=[Forbidden],
    )
    def get(self, request: Request) -> Response:
        query = valid_query(ListEndpointsSerializer, request)
        return paged(EndpointListSerializer, request, reading.page_endpoints(cursor_of(query)), "endpoints")

    @documented(
        "Add a webhook endpoint",
        description="For staff who may add them. What happens from a second after is sent there, signed as Standard "
        "Webhooks has it.",
        operation_id="add_webhook",
        request=AddEndpointSerializer,
        example=A_NEW_ENDPOINT,
        answers=Answer(NewEndpointSerializer, "The endpoint, with its secret.", WITH_SECRET, 201),
        errors=[Forbidden, errors.TooManyEndpoints],
    )
    def post(self, request: Request) -> Response:
        body = valid_body(AddEndpointSerializer, request)
        return Response(shown(NewEndpointSerializer, endpoints.add_endpoint(**body)), 201)


class EndpointView(OfEndpoints):
    @documented(
        "Read a webhook endpoint",
        description="For staff who may see them.",
        operation_id="get_webhook",
        answers=Answer(EndpointSerializer, "The endpoint.", AN_ENDPOINT),
        errors=[Forbidden, errors.EndpointNotFound],
    )
    def get(self, request: Request, endpoint_id: int) -> Response:
        return Response(shown(EndpointSerializer, reading.get_endpoint(endpoint_id=endpoint_id)))

    @documented(
        "Change a webhook endpoint",
        description="For staff who may change them. What is left out stays as it is.",
        operation_id="change_webhook",
        request=ChangeEndpointSerializer,
        example={"is_enabled": False},
        answers=Answer(EndpointSerializer, "The endpoint as it is now.", {**AN_ENDPOINT, "is_enabled": False}),
        errors=[Forbidden, errors.EndpointNotFound],
    )
    def patch(self, request: Request, endpoint_id: int) -> Response:
        values = valid_body(ChangeEndpointSerializer, request)
        changed = endpoints.change_endpoint(endpoint_id=endpoint_id, values=values, now=clock.now())
        return Response(shown(EndpointSerializer, changed))

    @documented(
        "Remove a webhook endpoint",
        description="For staff who may delete them. What it was still to be told is forgotten.",
        operation_id="remove_webhook",
        answers=Answer(None, "It is gone.", status=204),
        errors=[Forbidden, errors.EndpointNotFound],
    )
    def delete(self, request: Request, endpoint_id: int) -> Response:
        endpoints.remove_endpoint(endpoint_id=endpoint_id)
        return Response(status=204)


class RotateView(Endpoint):
    permission_classes = [allowed(Permission.CHANGE_WEBHOOKS)]

    @documented(
        "Give a webhook endpoint another secret",
        description="For staff who may change them. For a day everything is signed with both.",
        operation_id="rotate_webhook_secret",
        answers=Answer(NewEndpointSerializer, "The endpoint, with its new secret.", WITH_SECRET),
        errors=[Forbidden, errors.EndpointNotFound],
    )
    def post(self, request: Request, endpoint_id: int) -> Response:
        return Response(shown(NewEndpointSerializer, endpoints.rotate_secret(endpoint_id=endpoint_id, now=clock.now())))


class DeliveryListView(Endpoint):
    permission_classes = [allowed(Permission.VIEW_DELIVERIES, Permission.CHANGE_DELIVERIES)]

    @documented(
        "List what a webhook endpoint is told, newest first",
        description="For staff who may see deliveries. Kept for seven days.",
        operation_id="list_webhook_deliveries",
        parameters=[ListDeliveriesSerializer],
        answers=Answer(
            DeliveryListSerializer,
            "A page of deliveries.",
            {"deliveries": [A_DELIVERY], "next": None, "previous": None},
        ),
        errors=[Forbidden, errors.EndpointNotFound],
    )
    def get(self, request: Request, endpoint_id: int) -> Response:
        query = valid_query(ListDeliveriesSerializer, request)
        page = reading.page_deliveries(cursor_of(query), endpoint_id=endpoint_id, **query)
        return paged(DeliveryListSerializer, request, page, "deliveries")


class ReplayView(Endpoint):
    permission_classes = [allowed(Permission.CHANGE_DELIVERIES)]

    @documented(
        "Send a delivery again",
        description="For staff who may change deliveries. One that has ended, under the same event id, or at once one "
        "that waits for its next try. What waits behind another one of its key is refused, and names that one.",
        operation_id="replay_webhook_delivery",
        answers=Answer(None, "It is sent in a moment, or once its endpoint is switched on.", status=202),
        errors=[Forbidden, errors.DeliveryNotFound, errors.DeliveryHeldUp],
    )
    def post(self, request: Request, delivery_id: int) -> Response:
        endpoints.replay_one(delivery_id=delivery_id, now=clock.now())
        return Response(status=202)
