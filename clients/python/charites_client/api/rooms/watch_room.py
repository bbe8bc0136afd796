from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.error import Error
from ...models.event import Event
from ...types import UNSET, Response, Unset


def _get_kwargs(
    room_id: str,
    *,
    last_event_id: str | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(last_event_id, Unset):
        headers["Last-Event-ID"] = last_event_id

    if not isinstance(accept_language, Unset):
        headers["Accept-Language"] = accept_language

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/api/rooms/{room_id}/events".format(
            room_id=quote(str(room_id), safe=""),
        ),
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Error | Event | None:
    if response.status_code == 200:
        response_200 = Event.from_dict(response.text)

        return response_200

    if response.status_code == 400:
        response_400 = Error.from_dict(response.json())

        return response_400

    if response.status_code == 404:
        response_404 = Error.from_dict(response.json())

        return response_404

    if response.status_code == 429:
        response_429 = Error.from_dict(response.json())

        return response_429

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
) -> Response[Error | Event]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    room_id: str,
    *,
    client: AuthenticatedClient | Client,
    last_event_id: str | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> Response[Error | Event]:
    """Watch a room

     Server-sent events. An event is a hint, and decides nothing: what an order is told is true.

    | event | when | data |
    |---|---|---|
    | `room` | at the beginning, and for whoever has missed something | the whole state, as `/live`
    shows it |
    | `stock` | pieces were ordered, paid for, given back or delivered | `goods`: list of `goods_id`,
    `ordered` (more than before; below zero: given back), `available`, `reserved`, `sold` |
    | `pinned` | the host presents another product | `goods_id` or null |
    | `price` | a price has changed | `goods_id`, `price`, `market_price` |
    | `sold_out`, `back` | nothing is left; there is something again | `goods_id` |
    | `sale_planned`, `sale_started`, `sale_ended` | a sale will begin, has begun, is over | `goods_id`
    |
    | `shelf` | anything else in the list has changed: read it anew | |

    Events of a room come at most four times a second, each time all that has changed. A comment comes
    every 15 seconds. Every few minutes the stream ends, and the browser opens the next one by itself:
    with the id of the last event it gets nothing twice. 429: too many streams of your address. 503: too
    many viewers; use `/live`.

    Args:
        room_id (str):
        last_event_id (str | Unset):
        accept_language (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Error | Event]
    """

    kwargs = _get_kwargs(
        room_id=room_id,
        last_event_id=last_event_id,
        accept_language=accept_language,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    room_id: str,
    *,
    client: AuthenticatedClient | Client,
    last_event_id: str | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> Error | Event | None:
    """Watch a room

     Server-sent events. An event is a hint, and decides nothing: what an order is told is true.

    | event | when | data |
    |---|---|---|
    | `room` | at the beginning, and for whoever has missed something | the whole state, as `/live`
    shows it |
    | `stock` | pieces were ordered, paid for, given back or delivered | `goods`: list of `goods_id`,
    `ordered` (more than before; below zero: given back), `available`, `reserved`, `sold` |
    | `pinned` | the host presents another product | `goods_id` or null |
    | `price` | a price has changed | `goods_id`, `price`, `market_price` |
    | `sold_out`, `back` | nothing is left; there is something again | `goods_id` |
    | `sale_planned`, `sale_started`, `sale_ended` | a sale will begin, has begun, is over | `goods_id`
    |
    | `shelf` | anything else in the list has changed: read it anew | |

    Events of a room come at most four times a second, each time all that has changed. A comment comes
    every 15 seconds. Every few minutes the stream ends, and the browser opens the next one by itself:
    with the id of the last event it gets nothing twice. 429: too many streams of your address. 503: too
    many viewers; use `/live`.

    Args:
        room_id (str):
        last_event_id (str | Unset):
        accept_language (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Error | Event
    """

    return sync_detailed(
        room_id=room_id,
        client=client,
        last_event_id=last_event_id,
        accept_language=accept_language,
    ).parsed


async def asyncio_detailed(
    room_id: str,
    *,
    client: AuthenticatedClient | Client,
    last_event_id: str | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> Response[Error | Event]:
    """Watch a room

     Server-sent events. An event is a hint, and decides nothing: what an order is told is true.

    | event | when | data |
    |---|---|---|
    | `room` | at the beginning, and for whoever has missed something | the whole state, as `/live`
    shows it |
    | `stock` | pieces were ordered, paid for, given back or delivered | `goods`: list of `goods_id`,
    `ordered` (more than before; below zero: given back), `available`, `reserved`, `sold` |
    | `pinned` | the host presents another product | `goods_id` or null |
    | `price` | a price has changed | `goods_id`, `price`, `market_price` |
    | `sold_out`, `back` | nothing is left; there is something again | `goods_id` |
    | `sale_planned`, `sale_started`, `sale_ended` | a sale will begin, has begun, is over | `goods_id`
    |
    | `shelf` | anything else in the list has changed: read it anew | |

    Events of a room come at most four times a second, each time all that has changed. A comment comes
    every 15 seconds. Every few minutes the stream ends, and the browser opens the next one by itself:
    with the id of the last event it gets nothing twice. 429: too many streams of your address. 503: too
    many viewers; use `/live`.

    Args:
        room_id (str):
        last_event_id (str | Unset):
        accept_language (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Error | Event]
    """

    kwargs = _get_kwargs(
        room_id=room_id,
        last_event_id=last_event_id,
        accept_language=accept_language,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    room_id: str,
    *,
    client: AuthenticatedClient | Client,
    last_event_id: str | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> Error | Event | None:
    """Watch a room

     Server-sent events. An event is a hint, and decides nothing: what an order is told is true.

    | event | when | data |
    |---|---|---|
    | `room` | at the beginning, and for whoever has missed something | the whole state, as `/live`
    shows it |
    | `stock` | pieces were ordered, paid for, given back or delivered | `goods`: list of `goods_id`,
    `ordered` (more than before; below zero: given back), `available`, `reserved`, `sold` |
    | `pinned` | the host presents another product | `goods_id` or null |
    | `price` | a price has changed | `goods_id`, `price`, `market_price` |
    | `sold_out`, `back` | nothing is left; there is something again | `goods_id` |
    | `sale_planned`, `sale_started`, `sale_ended` | a sale will begin, has begun, is over | `goods_id`
    |
    | `shelf` | anything else in the list has changed: read it anew | |

    Events of a room come at most four times a second, each time all that has changed. A comment comes
    every 15 seconds. Every few minutes the stream ends, and the browser opens the next one by itself:
    with the id of the last event it gets nothing twice. 429: too many streams of your address. 503: too
    many viewers; use `/live`.

    Args:
        room_id (str):
        last_event_id (str | Unset):
        accept_language (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Error | Event
    """

    return (
        await asyncio_detailed(
            room_id=room_id,
            client=client,
            last_event_id=last_event_id,
            accept_language=accept_language,
        )
    ).parsed
