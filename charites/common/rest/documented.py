"""How a view method is documented: what it takes and answers, with examples, and every error that it may answer."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from django.utils import translation
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema

from charites.common.errors import (
    Busy,
    InternalError,
    Invalid,
    KeyReused,
    OutcomeUnknown,
    ServiceError,
    TokenExpired,
    Unauthenticated,
)
from charites.common.rest.fields import ErrorSerializer
from charites.common.rest.schema import IDEMPOTENCY_KEY
from charites.common.rest.status import error_body, error_status

OF_EVERY = (InternalError, Busy)
OF_THOSE_WITH_A_TOKEN = (Unauthenticated, TokenExpired)
READING = ("get",)
OF_A_BODY = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than the shop takes.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is no JSON in UTF-8, or its Content-Type says so.",
}
REQUEST_ID = "5b6cd89ac78d0fff9b31be6f5d931199"


class Answer(NamedTuple):
    """What an operation answers when it has done what it was asked for."""

    body: Any
    description: str
    example: Any = None
    status: int | tuple[int, str] = 200


def documented(
    summary: str,
    *,
    operation_id: str,
    answers: Answer | Sequence[Answer],
    request: Any = None,
    example: Mapping[str, Any] | None = None,
    errors: Iterable[type[ServiceError]] = (),
    **further: Any,
) -> Callable[..., Any]:
    """Documents a view method. `errors`: those beside the ones that all such methods have; `further`: what
    drf-spectacular's `extend_schema` takes, such as `auth=[]` for what needs no token."""

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        all_errors = {*errors, *errors_of_all(method.__name__, request, further)}
        responses: dict[Any, Any] = {answer.status: as_response(answer) for answer in as_sequence(answers)}
        responses |= refusals(all_errors)
        if request is not None:
            responses |= {int(status): OpenApiResponse(ErrorSerializer, words) for status, words in OF_A_BODY.items()}
        examples = [OpenApiExample(summary, value=example, request_only=True)] if example is not None else None
        document = extend_schema(
            operation_id=operation_id,
            summary=summary,
            request=request,
            responses=responses,
            examples=examples,
            **further,
        )
        return document(method)

    return decorate


def as_sequence(answers: Answer | Sequence[Answer]) -> Sequence[Answer]:
    return [answers] if isinstance(answers, Answer) else answers


def errors_of_all(method: str, request: Any, further: Mapping[str, Any]) -> list[type[ServiceError]]:
    """The errors of all operations of a kind."""
    parameters = further.get("parameters", [])
    found: list[type[ServiceError]] = [*OF_EVERY]
    if further.get("auth") != []:
        found += OF_THOSE_WITH_A_TOKEN
    if request is not None or parameters:
        found.append(Invalid)
    if method not in READING:
        found.append(OutcomeUnknown)
    if IDEMPOTENCY_KEY in parameters:
        found.append(KeyReused)
    return found


def as_response(answer: Answer) -> OpenApiResponse:
    examples = [] if answer.example is None else [OpenApiExample(answer.description, value=answer.example)]
    return OpenApiResponse(answer.body, answer.description, examples)


def refusals(errors: Iterable[type[ServiceError]]) -> dict[int, OpenApiResponse]:
    """The errors by status, each with an example."""
    by_status: dict[int, list[ServiceError]] = defaultdict(list)
    for error in sorted(errors, key=lambda error: error.code):
        made = error(**error.example)
        by_status[int(error_status(made))].append(made)
    return {status: as_refusal(status, found) for status, found in sorted(by_status.items())}


def as_refusal(status: int, errors: Sequence[ServiceError]) -> OpenApiResponse:
    words = f"{HTTPStatus(status).phrase}: {', '.join(error.slug for error in errors)}"
    with translation.override("en"):
        bodies = [{**error_body(error), "request_id": REQUEST_ID} for error in errors]
    examples = [OpenApiExample(error.slug, value=body) for error, body in zip(errors, bodies, strict=True)]
    return OpenApiResponse(ErrorSerializer, words, examples)
