"""What the web server runs: `charites.asgi:application`."""

import os

from charites.start import prepare_to_serve

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charites.settings")
prepare_to_serve()

from django.core.wsgi import get_wsgi_application  # noqa: E402 (after Django is set up)
from django.urls import get_resolver  # noqa: E402

from charites.common.processes import settle_in  # noqa: E402
from charites.common.web import WebApp  # noqa: E402
from charites.warm_up import warm_up  # noqa: E402
from live.stream import STREAMS  # noqa: E402

get_resolver().url_patterns  # noqa: B018 (loads views and serializers now, and not with the first request)
application = WebApp(get_wsgi_application(), STREAMS.close)
warm_up()
settle_in()
