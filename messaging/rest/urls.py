from django.urls import path

from messaging.rest import views, webhook_views

urlpatterns = [
    path("messages", views.MessageListView.as_view()),
    path("webhooks", webhook_views.EndpointListView.as_view()),
    path("webhooks/<id:endpoint_id>", webhook_views.EndpointView.as_view()),
    path("webhooks/<id:endpoint_id>/secret", webhook_views.RotateView.as_view()),
    path("webhooks/<id:endpoint_id>/deliveries", webhook_views.DeliveryListView.as_view()),
    path("webhooks/deliveries/<id:delivery_id>/replay", webhook_views.ReplayView.as_view()),
]
