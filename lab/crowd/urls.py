from django.urls import path

from lab.crowd import views

urlpatterns = [
    path("rooms/<id:room_id>/desk/send", views.send, name="crowd-send"),
    path("rooms/<id:room_id>/desk/crowd", views.crowd, name="crowd"),
    path("rooms/<id:room_id>/desk/reset", views.reset, name="crowd-reset"),
]
