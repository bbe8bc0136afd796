from django.apps import AppConfig


class CommonConfig(AppConfig):
    name = "charites.common"
    label = "charites_common"
