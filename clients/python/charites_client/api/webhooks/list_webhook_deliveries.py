from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.delivery_list import DeliveryList
from ...models.error import Error
from ...models.list_webhook_deliveries_state import ListWebhookDeliveriesState
from ...types import UNSET, Response, Unset


def _get_kwargs(
    endpoint_id: str,
    *,
    after: str | Unset = UNSET,
    before: str | Unset = UNSET,
    key: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    state: ListWebhookDeliveriesState | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(accept_language, Unset):
        headers["Accept-Language"] = accept_language

    params: dict[str, Any] = {}

    params["after"] = after

    params["before"] = before

    params["key"] = key

    params["limit"] = limit

    json_state: str | Unset = UNSET
    if not isinstance(state, Unset):
        json_state = state.value

    params["state"] = json_state

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/api/webhooks/{endpoint_id}/deliveries".format(
            endpoint_id=quote(str(endpoint_id), safe=""),
        ),
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> DeliveryList | Error | None:
    if response.status_code == 200:
        response_200 = DeliveryList.from_dict(response.json())

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

    if response.status_code == 404:
        response_404 = Error.from_dict(response.json())

        return response_404

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
) -> Response[DeliveryList | Error]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    endpoint_id: str,
    *,
    client: AuthenticatedClient,
    after: str | Unset = UNSET,
    before: str | Unset = UNSET,
    key: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    state: ListWebhookDeliveriesState | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> Response[DeliveryList | Error]:
    """List what a webhook endpoint is told, newest first

     For staff who may see deliveries. Kept for seven days.

    Args:
        endpoint_id (str):
        after (str | Unset):
        before (str | Unset):
        key (str | Unset):  Example: order-2026-06-01-0001.
        limit (int | Unset):
        state (ListWebhookDeliveriesState | Unset):
        accept_language (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[DeliveryList | Error]
    """

    kwargs = _get_kwargs(
        endpoint_id=endpoint_id,
        after=after,
        before=before,
        key=key,
        limit=limit,
        state=state,
        accept_language=accept_language,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    endpoint_id: str,
    *,
    client: AuthenticatedClient,
    after: str | Unset = UNSET,
    before: str | Unset = UNSET,
    key: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    state: ListWebhookDeliveriesState | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> DeliveryList | Error | None:
    """List what a webhook endpoint is told, newest first

     For staff who may see deliveries. Kept for seven days.

    Args:
        endpoint_id (str):
        after (str | Unset):
        before (str | Unset):
        key (str | Unset):  Example: order-2026-06-01-0001.
        limit (int | Unset):
        state (ListWebhookDeliveriesState | Unset):
        accept_language (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        DeliveryList | Error
    """

    return sync_detailed(
        endpoint_id=endpoint_id,
        client=client,
        after=after,
        before=before,
        key=key,
        limit=limit,
        state=state,
        accept_language=accept_language,
    ).parsed


async def asyncio_detailed(
    endpoint_id: str,
    *,
    client: AuthenticatedClient,
    after: str | Unset = UNSET,
    before: str | Unset = UNSET,
    key: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    state: ListWebhookDeliveriesState | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> Response[DeliveryList | Error]:
    """List what a webhook endpoint is told, newest first

     For staff who may see deliveries. Kept for seven days.

    Args:
        endpoint_id (str):
        after (str | Unset):
        before (str | Unset):
        key (str | Unset):  Example: order-2026-06-01-0001.
        limit (int | Unset):
        state (ListWebhookDeliveriesState | Unset):
        accept_language (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[DeliveryList | Error]
    """

    kwargs = _get_kwargs(
        endpoint_id=endpoint_id,
        after=after,
        before=before,
        key=key,
        limit=limit,
        state=state,
        accept_language=accept_language,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    endpoint_id: str,
    *,
    client: AuthenticatedClient,
    after: str | Unset = UNSET,
    before: str | Unset = UNSET,
    key: str | Unset = UNSET,
    limit: int | Unset = UNSET,
    state: ListWebhookDeliveriesState | Unset = UNSET,
    accept_language: str | Unset = UNSET,
) -> DeliveryList | Error | None:
    """List what a webhook endpoint is told, newest first

     For staff who may see deliveries. Kept for seven days.

    Args:
        endpoint_id (str):
        after (str | Unset):
        before (str | Unset):
        key (str | Unset):  Example: order-2026-06-01-0001.
        limit (int | Unset):
        state (ListWebhookDeliveriesState | Unset):
        accept_language (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        DeliveryList | Error
    """

    return (
        await asyncio_detailed(
            endpoint_id=endpoint_id,
            client=client,
            after=after,
            before=before,
            key=key,
            limit=limit,
            state=state,
            accept_language=accept_language,
        )
    ).parsed
