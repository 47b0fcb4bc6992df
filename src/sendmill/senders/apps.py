from django.apps import AppConfig


class SendersConfig(AppConfig):
    name = "sendmill.senders"
