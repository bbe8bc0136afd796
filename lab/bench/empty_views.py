"""Views that do nothing."""

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from charites.common.rest import Endpoint


class EmptyView(APIView):
    """Whoever calls, and whatever it wants."""

    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request) -> Response:
        return Response({})


class EmptyPostView(Endpoint):
    """The same for a caller with a valid token."""

    def post(self, request: Request) -> Response:
        return Response({})


urlpatterns = [path("api/empty", EmptyView.as_view()), path("api/empty-post", EmptyPostView.as_view())]
