from django.apps import AppConfig


class CharitesConfig(AppConfig):
    name = "charites"
