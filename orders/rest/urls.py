from django.urls import path

from orders.rest import views

urlpatterns = [
    path("orders", views.OrderListView.as_view()),
    path("orders/<id:order_id>", views.OrderView.as_view()),
    path("orders/<id:order_id>/pay", views.PayView.as_view()),
    path("orders/<id:order_id>/cancel", views.CancelView.as_view()),
    path("orders/<id:order_id>/complete", views.CompleteView.as_view()),
    path("payments/notify", views.NotifyView.as_view()),
]
