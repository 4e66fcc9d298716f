"""Is the process up, and can it work? For load balancers; they say nothing of any tenant."""

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from audit.lag import RISKY_STOP_SECONDS, lag_of_all
from identity.web import public


@public("load balancers")
def healthz(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@public("load balancers")
def readyz(_request: HttpRequest) -> JsonResponse:
    """Looking works while the log is not sealed, so that alone takes no process out of service."""
    parts = {"database": _database(), "redis": _redis()}
    ready = all(parts.values())
    said = {"status": "ok" if ready else "not ready", **parts, "sealer": parts["database"] and _sealer()}
    return JsonResponse(said, status=200 if ready else 503)


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _sealer() -> bool:
    """No event of any tenant waits for its seal for longer than risky calls are let through."""
    return lag_of_all() < RISKY_STOP_SECONDS


def _redis() -> bool:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
