"""The project. Importing it makes the Celery app the current one."""

from charites.celery import app as celery_app

__all__ = ["celery_app"]
