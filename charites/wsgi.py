"""What the web server runs: `charites.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

from charites.common.processes import settle_in

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charites.settings")

application = get_wsgi_application()
settle_in()
