from django.urls import path

from live import views
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
    path("rooms/<id:room_id>/visitor", views.become, name="room-visitor"),
]
