from django.urls import path

from orders.rest import money_views, views

urlpatterns = [
    path("orders", views.OrderListView.as_view()),
    path("orders/<id:order_id>", views.OrderView.as_view()),
    path("orders/<id:order_id>/pay", views.PayView.as_view()),
    path("orders/<id:order_id>/cancel", views.CancelView.as_view()),
    path("orders/<id:order_id>/complete", views.CompleteView.as_view()),
    path("orders/<id:order_id>/money", money_views.MoneyOfOrderView.as_view()),
    path("orders/<id:order_id>/refunds", money_views.RefundOrderView.as_view()),
    path("payments", money_views.PaymentListView.as_view()),
    path("payments/notify", money_views.NotifyView.as_view()),
    path("refunds", money_views.RefundListView.as_view()),
]
