from django.apps import AppConfig
from django.conf import settings

from msplex.logs.lines import say_all_in_lines


class MsplexConfig(AppConfig):
    name = "msplex"

    def ready(self) -> None:
        if settings.LOG_JSON:
            say_all_in_lines()
        # Whoever sends a task does so by our application, with its task class: without it nothing would be signed.
        from msplex import celery  # noqa: F401, PLC0415
