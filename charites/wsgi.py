"""What the web server runs: `charites.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from charites.common.processes import settle_in

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charites.settings")

application = get_wsgi_application()
get_resolver().url_patterns  # noqa: B018 (loads views and serializers now, and not with the first request)
settle_in()
