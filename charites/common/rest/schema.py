"""How the OpenAPI schema tells of our views and fields: what it promises is what they take."""

from typing import Any

from django.db.models import IntegerChoices
from django.db.models.enums import ChoicesType
from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import deep_import_string, get_lib_doc_excludes
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import OpenApiParameter
from rest_framework.serializers import ListSerializer

from charites.common.models import KEY_LENGTH
from charites.common.rest.fields import StrictSerializer

FIELDS = "charites.common.rest.fields"
ID = {"type": "string", "pattern": "^[1-9][0-9]{0,18}$"}
ID_OR_ZERO = {"type": "string", "pattern": "^(0|[1-9][0-9]{0,18})$"}  # to begin before the first one
SHOWN_ID = {"type": "string", "pattern": "^[0-9]{1,19}$"}  # "0" for what has none
KEY = {
    "type": "string",
    "minLength": 1,
    "maxLength": KEY_LENGTH,
    "pattern": "^[!-~]([ -~]*[!-~])?$",
    "example": "order-2026-06-01-0001",
}
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", KEY, OpenApiParameter.HEADER, description="The same key is carried out once, and answered again."
)


REQUEST_ID = {
    "schema": {"type": "string"},
    "description": "What the log calls this request. Send one of your own, and it is kept.",
}
RETRY_AFTER = {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds after which to try again."}
WWW_AUTHENTICATE = {"schema": {"type": "string", "enum": ["Bearer"]}, "description": "How to say who you are."}
LANGUAGE = {
    "name": "Accept-Language",
    "in": "header",
    "schema": {"type": "string"},
    "description": "The language of texts for people: `en` or `zh-hans`.",
}
HEADERS = {"X-Request-ID": REQUEST_ID, "Retry-After": RETRY_AFTER, "WWW-Authenticate": WWW_AUTHENTICATE}
OF_STATUS = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After"}


OF_THE_DEMO = {"goods_id": "1", "room_id": "1"}  # what its catalogue begins with; an order has to be placed first


def with_examples(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Fills in the ids in addresses, as far as they are known (a hook of drf-spectacular's)."""
    for operations in result["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path" and parameter["name"] in OF_THE_DEMO:
                    parameter["example"] = OF_THE_DEMO[parameter["name"]]
    return result


def with_headers(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Adds what all answers and requests have: headers (a hook of drf-spectacular's)."""
    components = result["components"]
    components["headers"], components["parameters"] = HEADERS, {"Accept-Language": LANGUAGE}
    for operations in result["paths"].values():
        for operation in operations.values():
            operation.setdefault("security", [])  # of none: no token is needed
            operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/Accept-Language"})
            for status, response in operation["responses"].items():
                names = ("X-Request-ID", *filter(None, [OF_STATUS.get(status)]))
                response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return result


def with_names(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Gives the numbers of statuses their names, for generated clients."""
    for name, path in spectacular_settings.ENUM_NAME_OVERRIDES.items():
        choices, schema = deep_import_string(path), result["components"]["schemas"].get(name)
        if schema and isinstance(choices, ChoicesType) and issubclass(choices, IntegerChoices):
            schema["x-enum-varnames"] = [choice.name for choice in choices]
    return result


class Schema(AutoSchema):
    """An operation is described by what `documented` says of it: docstrings are for those who read the code."""

    def get_description(self) -> str:  # type: ignore[override]
        return ""


def without_words_for_callers() -> list[type]:
    """Returns the classes whose docstrings are for those who read the code, not for the schema."""
    return [*get_lib_doc_excludes(), StrictSerializer]  # type: ignore[no-untyped-call]


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema names the token."""

    target_class = "charites.common.rest.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class StrictExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """A strict serializer takes no other fields, and lists within their bounds."""

    target_class = f"{FIELDS}.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        for name, field in self.target.fields.items():
            if isinstance(field, ListSerializer):
                most = field.max_length  # type: ignore[attr-defined]
                schema["properties"][name] |= {"minItems": int(not field.allow_empty), "maxItems": most}
        return {**schema, "additionalProperties": False}


class IdExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = f"{FIELDS}.IdField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        asked = ID if self.target.min_value else ID_OR_ZERO
        return dict(asked if direction == "request" else SHOWN_ID)


class TextExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """What a text may hold no pattern says: see docs/adr/0026-texts-that-people-type.md."""

    target_class = f"{FIELDS}.SecretField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return {**auto_schema._map_serializer_field(self.target, direction, bypass_extensions=True), "minLength": 1}


class NamedStatusExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = f"{FIELDS}.NamedStatusField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return {"type": "string", "enum": [word for word in self.target.known if not word.isdigit()]}


class KeyExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = f"{FIELDS}.KeyField"
    priority = 1

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return dict(KEY)
