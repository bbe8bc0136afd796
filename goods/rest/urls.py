from django.urls import path

from goods.rest import views

urlpatterns = [
    path("rooms", views.RoomListView.as_view()),
    path("rooms/<id:room_id>", views.RoomView.as_view()),
    path("rooms/<id:room_id>/goods", views.RoomGoodsView.as_view()),
    path("rooms/<id:room_id>/current", views.CurrentGoodsView.as_view()),
    path("goods/<id:goods_id>", views.GoodsView.as_view()),
]
