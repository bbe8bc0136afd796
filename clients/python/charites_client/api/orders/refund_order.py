from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.error import Error
from ...models.refund_order import RefundOrder
from ...models.staff_refund import StaffRefund
from ...types import UNSET, Response, Unset


def _get_kwargs(
    order_id: str,
    *,
    body: RefundOrder,
    idempotency_key: str | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(idempotency_key, Unset):
        headers["Idempotency-Key"] = idempotency_key

    if not isinstance(accept_language, Unset):
        headers["Accept-Language"] = accept_language

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/api/orders/{order_id}/refunds".format(
            order_id=quote(str(order_id), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Error | StaffRefund | None:
    if response.status_code == 200:
        response_200 = StaffRefund.from_dict(response.json())

        return response_200

    if response.status_code == 201:
        response_201 = StaffRefund.from_dict(response.json())

        return response_201

    if response.status_code == 400:
        response_400 = Error.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = Error.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = Error.from_dict(response.json())

        return response_403

    if response.status_code == 404:
        response_404 = Error.from_dict(response.json())

        return response_404

    if response.status_code == 409:
        response_409 = Error.from_dict(response.json())

        return response_409

    if response.status_code == 413:
        response_413 = Error.from_dict(response.json())

        return response_413

    if response.status_code == 415:
        response_415 = Error.from_dict(response.json())

        return response_415

    if response.status_code == 422:
        response_422 = Error.from_dict(response.json())

        return response_422

    if response.status_code == 500:
        response_500 = Error.from_dict(response.json())

        return response_500

    if response.status_code == 503:
        response_503 = Error.from_dict(response.json())

        return response_503

    if response.status_code == 504:
        response_504 = Error.from_dict(response.json())

        return response_504

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Error | StaffRefund]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    order_id: str,
    *,
    client: AuthenticatedClient,
    body: RefundOrder,
    idempotency_key: str | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> Response[Error | StaffRefund]:
    """Refund a paid order, whole or in part

     For staff who may add refunds and see orders. The money leaves a moment later: the refund's `status`
    says whether the provider has sent it. The order keeps its status. Of two refunds at once that are
    more than is left, one is refused. A key is required, in the header or in the body: the same one is
    answered with the same refund.

    Args:
        order_id (str):
        idempotency_key (str | Unset):  Example: order-2026-06-01-0001.
        accept_language (str | Unset):
        body (RefundOrder): What an operator may say. Never more goes back than came in.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Error | StaffRefund]
    """

    kwargs = _get_kwargs(
        order_id=order_id,
        body=body,
        idempotency_key=idempotency_key,
        accept_language=accept_language,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    order_id: str,
    *,
    client: AuthenticatedClient,
    body: RefundOrder,
    idempotency_key: str | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> Error | StaffRefund | None:
    """Refund a paid order, whole or in part

     For staff who may add refunds and see orders. The money leaves a moment later: the refund's `status`
    says whether the provider has sent it. The order keeps its status. Of two refunds at once that are
    more than is left, one is refused. A key is required, in the header or in the body: the same one is
    answered with the same refund.

    Args:
        order_id (str):
        idempotency_key (str | Unset):  Example: order-2026-06-01-0001.
        accept_language (str | Unset):
        body (RefundOrder): What an operator may say. Never more goes back than came in.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Error | StaffRefund
    """

    return sync_detailed(
        order_id=order_id,
        client=client,
        body=body,
        idempotency_key=idempotency_key,
        accept_language=accept_language,
    ).parsed


async def asyncio_detailed(
    order_id: str,
    *,
    client: AuthenticatedClient,
    body: RefundOrder,
    idempotency_key: str | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> Response[Error | StaffRefund]:
    """Refund a paid order, whole or in part

     For staff who may add refunds and see orders. The money leaves a moment later: the refund's `status`
    says whether the provider has sent it. The order keeps its status. Of two refunds at once that are
    more than is left, one is refused. A key is required, in the header or in the body: the same one is
    answered with the same refund.

    Args:
        order_id (str):
        idempotency_key (str | Unset):  Example: order-2026-06-01-0001.
        accept_language (str | Unset):
        body (RefundOrder): What an operator may say. Never more goes back than came in.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Error | StaffRefund]
    """

    kwargs = _get_kwargs(
        order_id=order_id,
        body=body,
        idempotency_key=idempotency_key,
        accept_language=accept_language,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    order_id: str,
    *,
    client: AuthenticatedClient,
    body: RefundOrder,
    idempotency_key: str | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> Error | StaffRefund | None:
    """Refund a paid order, whole or in part

     For staff who may add refunds and see orders. The money leaves a moment later: the refund's `status`
    says whether the provider has sent it. The order keeps its status. Of two refunds at once that are
    more than is left, one is refused. A key is required, in the header or in the body: the same one is
    answered with the same refund.

    Args:
        order_id (str):
        idempotency_key (str | Unset):  Example: order-2026-06-01-0001.
        accept_language (str | Unset):
        body (RefundOrder): What an operator may say. Never more goes back than came in.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Error | StaffRefund
    """

    return (
        await asyncio_detailed(
            order_id=order_id,
            client=client,
            body=body,
            idempotency_key=idempotency_key,
            accept_language=accept_language,
        )
    ).parsed
