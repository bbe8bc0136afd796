import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RoomGoodsRequest(_message.Message):
    __slots__ = ("room_id",)
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    def __init__(self, room_id: _Optional[int] = ...) -> None: ...

class RoomGoodsReply(_message.Message):
    __slots__ = ("current_goods_id", "data")
    CURRENT_GOODS_ID_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    current_goods_id: int
    data: _containers.RepeatedCompositeFieldContainer[GoodsSummary]
    def __init__(self, current_goods_id: _Optional[int] = ..., data: _Optional[_Iterable[_Union[GoodsSummary, _Mapping]]] = ...) -> None: ...

class GoodsSummary(_message.Message):
    __slots__ = ("goods_id", "category_id", "status", "title", "market_price", "price", "brief", "head_imgs", "limit_per_buyer", "sale_starts_at", "sale_ends_at")
    GOODS_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    MARKET_PRICE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    BRIEF_FIELD_NUMBER: _ClassVar[int]
    HEAD_IMGS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_PER_BUYER_FIELD_NUMBER: _ClassVar[int]
    SALE_STARTS_AT_FIELD_NUMBER: _ClassVar[int]
    SALE_ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    goods_id: int
    category_id: int
    status: int
    title: str
    market_price: str
    price: str
    brief: str
    head_imgs: _containers.RepeatedScalarFieldContainer[str]
    limit_per_buyer: int
    sale_starts_at: _timestamp_pb2.Timestamp
    sale_ends_at: _timestamp_pb2.Timestamp
    def __init__(self, goods_id: _Optional[int] = ..., category_id: _Optional[int] = ..., status: _Optional[int] = ..., title: _Optional[str] = ..., market_price: _Optional[str] = ..., price: _Optional[str] = ..., brief: _Optional[str] = ..., head_imgs: _Optional[_Iterable[str]] = ..., limit_per_buyer: _Optional[int] = ..., sale_starts_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sale_ends_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GoodsDetailRequest(_message.Message):
    __slots__ = ("goods_id",)
    GOODS_ID_FIELD_NUMBER: _ClassVar[int]
    goods_id: int
    def __init__(self, goods_id: _Optional[int] = ...) -> None: ...

class GoodsDetail(_message.Message):
    __slots__ = ("goods_id", "category_id", "status", "code", "brand_name", "title", "market_price", "price", "brief", "head_imgs", "videos", "detail", "limit_per_buyer", "sale_starts_at", "sale_ends_at")
    GOODS_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    BRAND_NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    MARKET_PRICE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    BRIEF_FIELD_NUMBER: _ClassVar[int]
    HEAD_IMGS_FIELD_NUMBER: _ClassVar[int]
    VIDEOS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_PER_BUYER_FIELD_NUMBER: _ClassVar[int]
    SALE_STARTS_AT_FIELD_NUMBER: _ClassVar[int]
    SALE_ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    goods_id: int
    category_id: int
    status: int
    code: int
    brand_name: str
    title: str
    market_price: str
    price: str
    brief: str
    head_imgs: _containers.RepeatedScalarFieldContainer[str]
    videos: _containers.RepeatedScalarFieldContainer[str]
    detail: _containers.RepeatedScalarFieldContainer[str]
    limit_per_buyer: int
    sale_starts_at: _timestamp_pb2.Timestamp
    sale_ends_at: _timestamp_pb2.Timestamp
    def __init__(self, goods_id: _Optional[int] = ..., category_id: _Optional[int] = ..., status: _Optional[int] = ..., code: _Optional[int] = ..., brand_name: _Optional[str] = ..., title: _Optional[str] = ..., market_price: _Optional[str] = ..., price: _Optional[str] = ..., brief: _Optional[str] = ..., head_imgs: _Optional[_Iterable[str]] = ..., videos: _Optional[_Iterable[str]] = ..., detail: _Optional[_Iterable[str]] = ..., limit_per_buyer: _Optional[int] = ..., sale_starts_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sale_ends_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GoodsDetailsRequest(_message.Message):
    __slots__ = ("goods_ids",)
    GOODS_IDS_FIELD_NUMBER: _ClassVar[int]
    goods_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, goods_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class GoodsDetailsReply(_message.Message):
    __slots__ = ("goods",)
    GOODS_FIELD_NUMBER: _ClassVar[int]
    goods: _containers.RepeatedCompositeFieldContainer[GoodsDetail]
    def __init__(self, goods: _Optional[_Iterable[_Union[GoodsDetail, _Mapping]]] = ...) -> None: ...

class RoomsRequest(_message.Message):
    __slots__ = ("room_ids",)
    ROOM_IDS_FIELD_NUMBER: _ClassVar[int]
    room_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, room_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class RoomsReply(_message.Message):
    __slots__ = ("rooms",)
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    rooms: _containers.RepeatedCompositeFieldContainer[RoomSummary]
    def __init__(self, rooms: _Optional[_Iterable[_Union[RoomSummary, _Mapping]]] = ...) -> None: ...

class RoomSummary(_message.Message):
    __slots__ = ("room_id", "title", "host_name", "cover", "status", "current_goods_id")
    ROOM_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    HOST_NAME_FIELD_NUMBER: _ClassVar[int]
    COVER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_GOODS_ID_FIELD_NUMBER: _ClassVar[int]
    room_id: int
    title: str
    host_name: str
    cover: str
    status: str
    current_goods_id: int
    def __init__(self, room_id: _Optional[int] = ..., title: _Optional[str] = ..., host_name: _Optional[str] = ..., cover: _Optional[str] = ..., status: _Optional[str] = ..., current_goods_id: _Optional[int] = ...) -> None: ...
