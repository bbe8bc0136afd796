from django.urls import path

from stock.rest import views

urlpatterns = [
    path("stock", views.StockListView.as_view()),
    path("stock/<id:goods_id>", views.StockView.as_view()),
    path("stock/<id:goods_id>/adjustments", views.AdjustmentView.as_view()),
]
