"""That a command works now: whoever started it waits for the line."""

import logging

from django.conf import settings
from django.core.management.base import BaseCommand

logger = logging.getLogger("msplex.ready")


def say_ready(command: BaseCommand, line: str) -> None:
    if settings.LOG_JSON:
        logger.info(line)
    else:
        command.stdout.write(line)
        command.stdout.flush()
