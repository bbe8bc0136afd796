import datetime
from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.error import Error
from ...models.list_orders_status import ListOrdersStatus
from ...models.order_list import OrderList
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    after: str | Unset = UNSET,
    before: str | Unset = UNSET,
    goods_id: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    placed_from: datetime.datetime | Unset = UNSET,
    placed_until: datetime.datetime | Unset = UNSET,
    room_id: str | Unset = UNSET,
    status: ListOrdersStatus | Unset = UNSET,
    user_id: str | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(accept_language, Unset):
        headers["Accept-Language"] = accept_language

    params: dict[str, Any] = {}

    params["after"] = after

    params["before"] = before

    params["goods_id"] = goods_id

    params["limit"] = limit

    json_placed_from: str | Unset = UNSET
    if not isinstance(placed_from, Unset):
        json_placed_from = placed_from.isoformat()
    params["placed_from"] = json_placed_from

    json_placed_until: str | Unset = UNSET
    if not isinstance(placed_until, Unset):
        json_placed_until = placed_until.isoformat()
    params["placed_until"] = json_placed_until

    params["room_id"] = room_id

    json_status: str | Unset = UNSET
    if not isinstance(status, Unset):
        json_status = status.value

    params["status"] = json_status

    params["user_id"] = user_id

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/api/orders",
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Error | OrderList | None:
    if response.status_code == 200:
        response_200 = OrderList.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = Error.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = Error.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = Error.from_dict(response.json())

        return response_403

    if response.status_code == 500:
        response_500 = Error.from_dict(response.json())

        return response_500

    if response.status_code == 503:
        response_503 = Error.from_dict(response.json())

        return response_503

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Error | OrderList]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    after: str | Unset = UNSET,
    before: str | Unset = UNSET,
    goods_id: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    placed_from: datetime.datetime | Unset = UNSET,
    placed_until: datetime.datetime | Unset = UNSET,
    room_id: str | Unset = UNSET,
    status: ListOrdersStatus | Unset = UNSET,
    user_id: str | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> Response[Error | OrderList]:
    """List orders, newest first

     A buyer's own; everybody's for services and for staff who may see them.

    Args:
        after (str | Unset):
        before (str | Unset):
        goods_id (str | Unset):
        limit (int | Unset):
        placed_from (datetime.datetime | Unset):
        placed_until (datetime.datetime | Unset):
        room_id (str | Unset):
        status (ListOrdersStatus | Unset):
        user_id (str | Unset):
        accept_language (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Error | OrderList]
    """

    kwargs = _get_kwargs(
        after=after,
        before=before,
        goods_id=goods_id,
        limit=limit,
        placed_from=placed_from,
        placed_until=placed_until,
        room_id=room_id,
        status=status,
        user_id=user_id,
        accept_language=accept_language,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    after: str | Unset = UNSET,
    before: str | Unset = UNSET,
    goods_id: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    placed_from: datetime.datetime | Unset = UNSET,
    placed_until: datetime.datetime | Unset = UNSET,
    room_id: str | Unset = UNSET,
    status: ListOrdersStatus | Unset = UNSET,
    user_id: str | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> Error | OrderList | None:
    """List orders, newest first

     A buyer's own; everybody's for services and for staff who may see them.

    Args:
        after (str | Unset):
        before (str | Unset):
        goods_id (str | Unset):
        limit (int | Unset):
        placed_from (datetime.datetime | Unset):
        placed_until (datetime.datetime | Unset):
        room_id (str | Unset):
        status (ListOrdersStatus | Unset):
        user_id (str | Unset):
        accept_language (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Error | OrderList
    """

    return sync_detailed(
        client=client,
        after=after,
        before=before,
        goods_id=goods_id,
        limit=limit,
        placed_from=placed_from,
        placed_until=placed_until,
        room_id=room_id,
        status=status,
        user_id=user_id,
        accept_language=accept_language,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    after: str | Unset = UNSET,
    before: str | Unset = UNSET,
    goods_id: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    placed_from: datetime.datetime | Unset = UNSET,
    placed_until: datetime.datetime | Unset = UNSET,
    room_id: str | Unset = UNSET,
    status: ListOrdersStatus | Unset = UNSET,
    user_id: str | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> Response[Error | OrderList]:
    """List orders, newest first

     A buyer's own; everybody's for services and for staff who may see them.

    Args:
        after (str | Unset):
        before (str | Unset):
        goods_id (str | Unset):
        limit (int | Unset):
        placed_from (datetime.datetime | Unset):
        placed_until (datetime.datetime | Unset):
        room_id (str | Unset):
        status (ListOrdersStatus | Unset):
        user_id (str | Unset):
        accept_language (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Error | OrderList]
    """

    kwargs = _get_kwargs(
        after=after,
        before=before,
        goods_id=goods_id,
        limit=limit,
        placed_from=placed_from,
        placed_until=placed_until,
        room_id=room_id,
        status=status,
        user_id=user_id,
        accept_language=accept_language,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    after: str | Unset = UNSET,
    before: str | Unset = UNSET,
    goods_id: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    placed_from: datetime.datetime | Unset = UNSET,
    placed_until: datetime.datetime | Unset = UNSET,
    room_id: str | Unset = UNSET,
    status: ListOrdersStatus | Unset = UNSET,
    user_id: str | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> Error | OrderList | None:
    """List orders, newest first

     A buyer's own; everybody's for services and for staff who may see them.

    Args:
        after (str | Unset):
        before (str | Unset):
        goods_id (str | Unset):
        limit (int | Unset):
        placed_from (datetime.datetime | Unset):
        placed_until (datetime.datetime | Unset):
        room_id (str | Unset):
        status (ListOrdersStatus | Unset):
        user_id (str | Unset):
        accept_language (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Error | OrderList
    """

    return (
        await asyncio_detailed(
            client=client,
            after=after,
            before=before,
            goods_id=goods_id,
            limit=limit,
            placed_from=placed_from,
            placed_until=placed_until,
            room_id=room_id,
            status=status,
            user_id=user_id,
            accept_language=accept_language,
        )
    ).parsed
