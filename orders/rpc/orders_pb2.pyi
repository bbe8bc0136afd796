import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateOrderRequest(_message.Message):
    __slots__ = ("goods_id", "num", "user_id", "order_id", "address", "name", "phone", "items", "idempotency_key", "room_id", "expected_amount")
    GOODS_ID_FIELD_NUMBER: _ClassVar[int]
    NUM_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PHONE_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    goods_id: int
    num: int
    user_id: int
    order_id: int
    address: str
    name: str
    phone: str
    items: _containers.RepeatedCompositeFieldContainer[OrderLine]
    idempotency_key: str
    room_id: int
    expected_amount: int
    def __init__(self, goods_id: _Optional[int] = ..., num: _Optional[int] = ..., user_id: _Optional[int] = ..., order_id: _Optional[int] = ..., address: _Optional[str] = ..., name: _Optional[str] = ..., phone: _Optional[str] = ..., items: _Optional[_Iterable[_Union[OrderLine, _Mapping]]] = ..., idempotency_key: _Optional[str] = ..., room_id: _Optional[int] = ..., expected_amount: _Optional[int] = ...) -> None: ...

class OrderLine(_message.Message):
    __slots__ = ("goods_id", "num")
    GOODS_ID_FIELD_NUMBER: _ClassVar[int]
    NUM_FIELD_NUMBER: _ClassVar[int]
    goods_id: int
    num: int
    def __init__(self, goods_id: _Optional[int] = ..., num: _Optional[int] = ...) -> None: ...

class OrderRequest(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    def __init__(self, order_id: _Optional[int] = ...) -> None: ...

class ListOrdersRequest(_message.Message):
    __slots__ = ("user_id", "status", "before_id", "limit")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    BEFORE_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    user_id: int
    status: int
    before_id: int
    limit: int
    def __init__(self, user_id: _Optional[int] = ..., status: _Optional[int] = ..., before_id: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class ListOrdersReply(_message.Message):
    __slots__ = ("orders",)
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[OrderReply]
    def __init__(self, orders: _Optional[_Iterable[_Union[OrderReply, _Mapping]]] = ...) -> None: ...

class OrderReply(_message.Message):
    __slots__ = ("order_id", "user_id", "status", "status_label", "pay_amount", "created_at", "expires_at", "paid_at", "closed_by", "address", "name", "phone", "room_id", "items", "refunded")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STATUS_LABEL_FIELD_NUMBER: _ClassVar[int]
    PAY_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    PAID_AT_FIELD_NUMBER: _ClassVar[int]
    CLOSED_BY_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PHONE_FIELD_NUMBER: _ClassVar[int]
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    user_id: int
    status: int
    status_label: str
    pay_amount: int
    created_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    paid_at: _timestamp_pb2.Timestamp
    closed_by: str
    address: str
    name: str
    phone: str
    room_id: int
    items: _containers.RepeatedCompositeFieldContainer[OrderItem]
    refunded: int
    def __init__(self, order_id: _Optional[int] = ..., user_id: _Optional[int] = ..., status: _Optional[int] = ..., status_label: _Optional[str] = ..., pay_amount: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., paid_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., closed_by: _Optional[str] = ..., address: _Optional[str] = ..., name: _Optional[str] = ..., phone: _Optional[str] = ..., room_id: _Optional[int] = ..., items: _Optional[_Iterable[_Union[OrderItem, _Mapping]]] = ..., refunded: _Optional[int] = ...) -> None: ...

class OrderItem(_message.Message):
    __slots__ = ("goods_id", "num", "title", "price", "market_price", "pay_amount", "head_imgs")
    GOODS_ID_FIELD_NUMBER: _ClassVar[int]
    NUM_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    MARKET_PRICE_FIELD_NUMBER: _ClassVar[int]
    PAY_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    HEAD_IMGS_FIELD_NUMBER: _ClassVar[int]
    goods_id: int
    num: int
    title: str
    price: int
    market_price: int
    pay_amount: int
    head_imgs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, goods_id: _Optional[int] = ..., num: _Optional[int] = ..., title: _Optional[str] = ..., price: _Optional[int] = ..., market_price: _Optional[int] = ..., pay_amount: _Optional[int] = ..., head_imgs: _Optional[_Iterable[str]] = ...) -> None: ...

class PayOrderRequest(_message.Message):
    __slots__ = ("order_id", "outcome")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    outcome: str
    def __init__(self, order_id: _Optional[int] = ..., outcome: _Optional[str] = ...) -> None: ...

class PayOrderReply(_message.Message):
    __slots__ = ("payment_id", "pay_url", "status")
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    PAY_URL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    payment_id: int
    pay_url: str
    status: str
    def __init__(self, payment_id: _Optional[int] = ..., pay_url: _Optional[str] = ..., status: _Optional[str] = ...) -> None: ...

class RefundOrderRequest(_message.Message):
    __slots__ = ("order_id", "amount", "reason", "currency", "return_stock", "items", "idempotency_key")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    RETURN_STOCK_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    amount: int
    reason: str
    currency: str
    return_stock: bool
    items: _containers.RepeatedCompositeFieldContainer[OrderLine]
    idempotency_key: str
    def __init__(self, order_id: _Optional[int] = ..., amount: _Optional[int] = ..., reason: _Optional[str] = ..., currency: _Optional[str] = ..., return_stock: _Optional[bool] = ..., items: _Optional[_Iterable[_Union[OrderLine, _Mapping]]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class RefundReply(_message.Message):
    __slots__ = ("refund_id", "payment_id", "order_id", "amount", "currency", "status", "created_at")
    REFUND_ID_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    refund_id: int
    payment_id: int
    order_id: int
    amount: int
    currency: str
    status: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, refund_id: _Optional[int] = ..., payment_id: _Optional[int] = ..., order_id: _Optional[int] = ..., amount: _Optional[int] = ..., currency: _Optional[str] = ..., status: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
