"""The database and the queue: the embedded ones, or those that DATABASE_URL and REDIS_URL name."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg
import redis

from msplex.runtime.home import Home, Unusable
from msplex.runtime.postgres import Postgres
from msplex.runtime.valkey import Valkey

_OLDEST = 15


@dataclass
class Servers:
    """`environment`: where DATABASE_URL and REDIS_URL are looked for; DATABASE_URL is the administrator's."""

    home: Home
    environment: Mapping[str, str]
    throwaway: bool = False
    connections: int = 200
    _postgres: Postgres | None = field(default=None, init=False)
    _valkey: Valkey | None = field(default=None, init=False)

    def start(self) -> tuple[str, str]:
        """The administrator's database URL, and the queue's."""
        return self._database(), self._queue()

    @property
    def postgres(self) -> Postgres:
        """The embedded one."""
        if self._postgres is None:
            raise Unusable("DATABASE_URL names a server that is not ours to stop.")
        return self._postgres

    @property
    def valkey(self) -> Valkey:
        """The embedded one."""
        if self._valkey is None:
            raise Unusable("REDIS_URL names a server that is not ours to stop.")
        return self._valkey

    def stop(self, seconds: float = 10) -> None:
        if self._valkey:
            self._valkey.stop(seconds)
        if self._postgres:
            self._postgres.stop(seconds)

    def _database(self) -> str:
        if url := self.environment.get("DATABASE_URL"):
            _check_database(url)
            return url
        self._postgres = Postgres(self.home, connections=self.connections, throwaway=self.throwaway)
        self._postgres.start()
        return self._postgres.url

    def _queue(self) -> str:
        if url := self.environment.get("REDIS_URL"):
            _check_queue(url)
            return url
        self._valkey = Valkey(self.home, throwaway=self.throwaway)
        self._valkey.start()
        return self._valkey.url


def _check_database(url: str) -> None:
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            version = connection.info.server_version // 10000
    except psycopg.Error as error:
        raise Unusable(f"DATABASE_URL: {str(error).strip()}") from None
    if version < _OLDEST:
        raise Unusable(f"DATABASE_URL: PostgreSQL {_OLDEST} or newer is needed, this is {version}.")


def _check_queue(url: str) -> None:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise Unusable(f"REDIS_URL: {error}") from None
