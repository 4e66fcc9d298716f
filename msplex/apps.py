from django.apps import AppConfig


class MsplexConfig(AppConfig):
    name = "msplex"

    def ready(self) -> None:
        # Whoever sends a task does so by our application, with its task class: without it nothing would be signed.
        from msplex import celery  # noqa: F401, PLC0415
