from django.urls import path

from live import desk, views
from live.api import RoomEventsView, RoomPartsView, RoomStateView
from live.sign_in import sign_in_page, sign_out

urlpatterns = [
    path("api/rooms/<id:room_id>/live", RoomStateView.as_view()),
    path("api/rooms/<id:room_id>/events", RoomEventsView.as_view()),
    path("sign-in", sign_in_page, name="sign-in"),
    path("sign-out", sign_out, name="sign-out"),
    path("rooms/<id:room_id>", views.room_page, name="room"),
    path("rooms/<id:room_id>/parts", RoomPartsView.as_view(), name="room-parts"),
    path("rooms/<id:room_id>/parts/<id:goods_id>", RoomPartsView.as_view(), name="room-parts"),
    path("rooms/<id:room_id>/buy", views.buy, name="room-buy"),
    path("rooms/<id:room_id>/orders/<id:order_id>/pay", views.pay, name="room-pay"),
    path("rooms/<id:room_id>/orders/<id:order_id>/cancel", views.cancel, name="room-cancel"),
    path("rooms/<id:room_id>/orders/<id:order_id>/ask", views.ask, name="room-ask"),
    path("rooms/<id:room_id>/visitor", views.become, name="room-visitor"),
    path("rooms/<id:room_id>/desk", desk.desk_page, name="desk"),
    path("rooms/<id:room_id>/desk/pin", desk.pin, name="desk-pin"),
    path("rooms/<id:room_id>/desk/unpin", desk.unpin, name="desk-unpin"),
    path("rooms/<id:room_id>/desk/restock", desk.restock, name="desk-restock"),
    path("rooms/<id:room_id>/desk/start", desk.start, name="desk-start"),
    path("rooms/<id:room_id>/desk/end", desk.end, name="desk-end"),
    path("rooms/<id:room_id>/desk/on", desk.put_on, name="desk-on"),
    path("rooms/<id:room_id>/desk/off", desk.take_off, name="desk-off"),
    path("rooms/<id:room_id>/desk/times", desk.set_times, name="desk-times"),
    path("rooms/<id:room_id>/desk/limit", desk.set_limit, name="desk-limit"),
]
