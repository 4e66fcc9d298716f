"""Is the process up, and can it work? For load balancers; they say nothing of any tenant."""

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from identity.web import public


@public("load balancers")
def healthz(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@public("load balancers")
def readyz(_request: HttpRequest) -> JsonResponse:
    parts = {"database": _database(), "redis": _redis()}
    ready = all(parts.values())
    return JsonResponse({"status": "ok" if ready else "not ready", **parts}, status=200 if ready else 503)


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _redis() -> bool:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
