from django.apps import AppConfig
from django.conf import settings

from msplex.logs.lines import say_all_in_lines


class MsplexConfig(AppConfig):
    name = "msplex"

    def ready(self) -> None:
        if settings.LOG_JSON and settings.MSPLEX_PROCESS != "command":  # whose failures are for a person
            say_all_in_lines()
        # Each metric has its place before a child is forked, which has to know it by the same.
        import msplex.metrics.calls  # noqa: F401, PLC0415

        # Whoever sends a task does so by our application, with its task class: without it nothing would be signed.
        from msplex import celery  # noqa: F401, PLC0415
