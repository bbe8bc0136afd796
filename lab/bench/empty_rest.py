"""The shop's web server with views that do nothing: `granian ... lab.bench.empty_rest:application`."""

from django.conf import settings

from charites.asgi import application

__all__ = ["application"]

settings.ROOT_URLCONF = "lab.bench.empty_views"
