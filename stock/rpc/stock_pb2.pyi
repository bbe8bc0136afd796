from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StockLevel(_message.Message):
    __slots__ = ("goods_id", "num", "order_id")
    GOODS_ID_FIELD_NUMBER: _ClassVar[int]
    NUM_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    goods_id: int
    num: int
    order_id: int
    def __init__(self, goods_id: _Optional[int] = ..., num: _Optional[int] = ..., order_id: _Optional[int] = ...) -> None: ...

class StockLine(_message.Message):
    __slots__ = ("goods_id", "num")
    GOODS_ID_FIELD_NUMBER: _ClassVar[int]
    NUM_FIELD_NUMBER: _ClassVar[int]
    goods_id: int
    num: int
    def __init__(self, goods_id: _Optional[int] = ..., num: _Optional[int] = ...) -> None: ...

class OrderStockRequest(_message.Message):
    __slots__ = ("order_id", "items")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    items: _containers.RepeatedCompositeFieldContainer[StockLine]
    def __init__(self, order_id: _Optional[int] = ..., items: _Optional[_Iterable[_Union[StockLine, _Mapping]]] = ...) -> None: ...

class OrderStockReply(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: int
    def __init__(self, order_id: _Optional[int] = ...) -> None: ...

class StockChange(_message.Message):
    __slots__ = ("goods_id", "delta", "reason", "idempotency_key")
    GOODS_ID_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    goods_id: int
    delta: int
    reason: str
    idempotency_key: str
    def __init__(self, goods_id: _Optional[int] = ..., delta: _Optional[int] = ..., reason: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class AdjustStockRequest(_message.Message):
    __slots__ = ("changes",)
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[StockChange]
    def __init__(self, changes: _Optional[_Iterable[_Union[StockChange, _Mapping]]] = ...) -> None: ...

class AdjustStockReply(_message.Message):
    __slots__ = ("levels",)
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    levels: _containers.RepeatedCompositeFieldContainer[StockLevel]
    def __init__(self, levels: _Optional[_Iterable[_Union[StockLevel, _Mapping]]] = ...) -> None: ...
