"""Contains all the data models used in inputs/outputs"""

from .add_endpoint import AddEndpoint
from .adjustment import Adjustment
from .begun_payment import BegunPayment
from .blank_enum import BlankEnum
from .change_endpoint import ChangeEndpoint
from .closed_by import ClosedBy
from .current_goods import CurrentGoods
from .delivery import Delivery
from .delivery_list import DeliveryList
from .delivery_payload import DeliveryPayload
from .delivery_state_enum import DeliveryStateEnum
from .endpoint import Endpoint
from .endpoint_list import EndpointList
from .error import Error
from .error_details import ErrorDetails
from .event import Event
from .event_types_enum import EventTypesEnum
from .goods import Goods
from .goods_detail import GoodsDetail
from .goods_detail_ext_json import GoodsDetailExtJson
from .goods_status import GoodsStatus
from .item import Item
from .line import Line
from .list_messages_state import ListMessagesState
from .list_orders_status import ListOrdersStatus
from .list_payments_status import ListPaymentsStatus
from .list_refunds_status import ListRefundsStatus
from .list_rooms_status import ListRoomsStatus
from .list_webhook_deliveries_state import ListWebhookDeliveriesState
from .me import Me
from .message import Message
from .message_list import MessageList
from .message_payload import MessagePayload
from .message_state import MessageState
from .money import Money
from .new_endpoint import NewEndpoint
from .notice_answer import NoticeAnswer
from .notice_answer_status_enum import NoticeAnswerStatusEnum
from .order import Order
from .order_list import OrderList
from .order_status import OrderStatus
from .pay_order import PayOrder
from .payment import Payment
from .payment_list import PaymentList
from .payment_outcome import PaymentOutcome
from .payment_status import PaymentStatus
from .place_order import PlaceOrder
from .receive_payment_notice_body import ReceivePaymentNoticeBody
from .refresh import Refresh
from .refund import Refund
from .refund_list import RefundList
from .refund_order import RefundOrder
from .refund_reason import RefundReason
from .refund_status import RefundStatus
from .returned import Returned
from .role import Role
from .room import Room
from .room_goods import RoomGoods
from .room_list import RoomList
from .room_status import RoomStatus
from .sale import Sale
from .set_stock import SetStock
from .sign_in import SignIn
from .staff_refund import StaffRefund
from .state import State
from .state_goods import StateGoods
from .stock import Stock
from .stock_list import StockList
from .token_pair import TokenPair

__all__ = (
    "AddEndpoint",
    "Adjustment",
    "BegunPayment",
    "BlankEnum",
    "ChangeEndpoint",
    "ClosedBy",
    "CurrentGoods",
    "Delivery",
    "DeliveryList",
    "DeliveryPayload",
    "DeliveryStateEnum",
    "Endpoint",
    "EndpointList",
    "Error",
    "ErrorDetails",
    "Event",
    "EventTypesEnum",
    "Goods",
    "GoodsDetail",
    "GoodsDetailExtJson",
    "GoodsStatus",
    "Item",
    "Line",
    "ListMessagesState",
    "ListOrdersStatus",
    "ListPaymentsStatus",
    "ListRefundsStatus",
    "ListRoomsStatus",
    "ListWebhookDeliveriesState",
    "Me",
    "Message",
    "MessageList",
    "MessagePayload",
    "MessageState",
    "Money",
    "NewEndpoint",
    "NoticeAnswer",
    "NoticeAnswerStatusEnum",
    "Order",
    "OrderList",
    "OrderStatus",
    "PayOrder",
    "Payment",
    "PaymentList",
    "PaymentOutcome",
    "PaymentStatus",
    "PlaceOrder",
    "ReceivePaymentNoticeBody",
    "Refresh",
    "Refund",
    "RefundList",
    "RefundOrder",
    "RefundReason",
    "RefundStatus",
    "Returned",
    "Role",
    "Room",
    "RoomGoods",
    "RoomList",
    "RoomStatus",
    "Sale",
    "SetStock",
    "SignIn",
    "StaffRefund",
    "State",
    "StateGoods",
    "Stock",
    "StockList",
    "TokenPair",
)
