from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.begun_payment import BegunPayment
from ...models.error import Error
from ...models.pay_order import PayOrder
from ...types import UNSET, Response, Unset


def _get_kwargs(
    order_id: str,
    *,
    body: PayOrder | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(accept_language, Unset):
        headers["Accept-Language"] = accept_language

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/api/orders/{order_id}/pay".format(
            order_id=quote(str(order_id), safe=""),
        ),
    }

    if not isinstance(body, Unset):
        _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> BegunPayment | Error | None:
    if response.status_code == 202:
        response_202 = BegunPayment.from_dict(response.json())

        return response_202

    if response.status_code == 400:
        response_400 = Error.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = Error.from_dict(response.json())

        return response_401

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
) -> Response[BegunPayment | Error]:
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
    body: PayOrder | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> Response[BegunPayment | Error]:
    """Begin to pay an order

     The buyer pays at `pay_url`. Repeated, it answers the payment that has begun.

    Args:
        order_id (str):
        accept_language (str | Unset):
        body (PayOrder | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BegunPayment | Error]
    """

    kwargs = _get_kwargs(
        order_id=order_id,
        body=body,
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
    body: PayOrder | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> BegunPayment | Error | None:
    """Begin to pay an order

     The buyer pays at `pay_url`. Repeated, it answers the payment that has begun.

    Args:
        order_id (str):
        accept_language (str | Unset):
        body (PayOrder | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BegunPayment | Error
    """

    return sync_detailed(
        order_id=order_id,
        client=client,
        body=body,
        accept_language=accept_language,
    ).parsed


async def asyncio_detailed(
    order_id: str,
    *,
    client: AuthenticatedClient,
    body: PayOrder | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> Response[BegunPayment | Error]:
    """Begin to pay an order

     The buyer pays at `pay_url`. Repeated, it answers the payment that has begun.

    Args:
        order_id (str):
        accept_language (str | Unset):
        body (PayOrder | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BegunPayment | Error]
    """

    kwargs = _get_kwargs(
        order_id=order_id,
        body=body,
        accept_language=accept_language,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    order_id: str,
    *,
    client: AuthenticatedClient,
    body: PayOrder | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> BegunPayment | Error | None:
    """Begin to pay an order

     The buyer pays at `pay_url`. Repeated, it answers the payment that has begun.

    Args:
        order_id (str):
        accept_language (str | Unset):
        body (PayOrder | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BegunPayment | Error
    """

    return (
        await asyncio_detailed(
            order_id=order_id,
            client=client,
            body=body,
            accept_language=accept_language,
        )
    ).parsed
