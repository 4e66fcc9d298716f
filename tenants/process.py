"""Which of the deployment's processes this is. Tasks and commands name the one that may run them."""

from enum import StrEnum

from django.conf import settings


class Process(StrEnum):
    PORTAL = "portal"
    GATEWAY = "gateway"
    WORKER = "worker"
    BROKER = "broker"
    SEALER = "sealer"
    BEAT = "beat"
    PROVIDER = "provider"
    COMMAND = "command"


def current_process() -> Process:
    return Process(settings.MSPLEX_PROCESS)
