from django.apps import AppConfig


class OptOutsConfig(AppConfig):
    name = "sendmill.optouts"
