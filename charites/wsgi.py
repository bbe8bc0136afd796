"""What the web server runs: `charites.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charites.settings")

application = get_wsgi_application()
