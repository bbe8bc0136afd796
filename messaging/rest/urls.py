from django.urls import path

from messaging.rest import views

urlpatterns = [path("messages", views.MessageListView.as_view())]
