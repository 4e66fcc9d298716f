"""The processes of an installation: command, keys, database role. Each environment is made from nothing."""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from msplex.guard import KEYS, ROLES
from msplex.runtime.home import ROOT, Home, Unusable
from msplex.runtime.keys import Keys
from tenants.isolation.setup import passwords_in
from tenants.process import Process

# What a process may see of whoever started it: how to speak, which certificates to trust, and where to send traces.
_INHERITED = (
    *("LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"),
)
_MAINTENANCE_DATABASES = {"", "postgres", "template1"}
# The mail server and its password are the business of the process that sends.
MAIL = ("MSPLEX_EMAIL_URL", "MSPLEX_EMAIL_URL_FILE", "MSPLEX_EMAIL_FROM")
VENDOR, TASKS, DOORS = 1, 2, 3


@dataclass(frozen=True)
class Program:
    """`stage`: the highest is stopped first. Ready when the address answers, or when the line is printed."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    stage: int
    ready_address: str = ""
    ready_line: str = ""


@dataclass(frozen=True)
class Ports:
    portal: int = 8000
    gateway: int = 8001
    vendor: int = 8002

    @classmethod
    def chosen(cls, environment: Mapping[str, str]) -> "Ports":
        try:
            portal = int(environment.get("MSPLEX_PORT", cls.portal))
            gateway = int(environment.get("MSPLEX_GATEWAY_PORT", portal + 1))
            return cls(portal, gateway, int(environment.get("MSPLEX_VENDOR_PORT", portal + 2)))
        except ValueError:
            raise Unusable("MSPLEX_PORT, MSPLEX_GATEWAY_PORT and MSPLEX_VENDOR_PORT must be numbers.") from None


@dataclass(frozen=True)
class Installation:
    """Everything that decides the environment of a process."""

    home: Home
    keys: Keys
    admin_url: str
    redis_url: str
    ports: Ports = field(default_factory=Ports)
    mode: str = "demo"
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_demo(self) -> bool:
        return self.mode == "demo"

    @property
    def log_level(self) -> str:
        return self.overrides.get("MSPLEX_LOG_LEVEL", "INFO")

    @property
    def says_json(self) -> bool:
        """As settings.LOG_JSON has it."""
        return self.overrides.get("MSPLEX_LOG_FORMAT", "" if self.is_demo else "json") == "json"

    @property
    def public_url(self) -> str:
        """By name: browsers make no passkeys for bare addresses."""
        return self.overrides.get("MSPLEX_PUBLIC_URL", f"http://localhost:{self.ports.portal}")

    @property
    def gateway_url(self) -> str:
        return self.overrides.get("MSPLEX_GATEWAY_URL", f"http://127.0.0.1:{self.ports.gateway}/mcp")

    @property
    def vendor_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.vendor}"

    @property
    def credentials(self) -> Path:
        """Where the demo's passwords are kept for whoever may read this directory."""
        return self.home.keys / "demo.json"

    @property
    def database(self) -> str:
        named = urlsplit(self.admin_url).path.lstrip("/")
        return "msplex" if named in _MAINTENANCE_DATABASES else named

    def database_url(self, role: str) -> str:
        """The administrator's URL with another role's name and password in it."""
        admin = urlsplit(self.admin_url)
        password = passwords_in(self.keys.passwords)[role.removeprefix("msplex_")]
        host = admin.netloc.rpartition("@")[2]
        return urlunsplit(admin._replace(netloc=f"{role}:{quote(password)}@{host}", path=f"/{self.database}"))

    def environment(self, process: Process) -> dict[str, str]:
        values = self._common() | {"MSPLEX_PROCESS": process, "REDIS_URL": self.redis_url}
        if role := ROLES.get(process):
            values["DATABASE_URL"] = self.database_url(role)
        if process is Process.BROKER:
            values["MSPLEX_BROKER_KEYRING"] = str(self.home.keyring)
        if process is Process.SEALER:
            values["MSPLEX_SEALER_DIR"] = str(self.home.sealer)
        if process is Process.WORKER:
            values |= {name: self.overrides[name] for name in MAIL if name in self.overrides}
        return values | self._key_files(KEYS[process])

    def setup_environment(self) -> dict[str, str]:
        """For making and migrating the database: the only holder of the administrator's and the owner's access."""
        urls = {
            "MSPLEX_ADMIN_DATABASE_URL": self.admin_url,
            "MSPLEX_MIGRATION_DATABASE_URL": self.database_url("msplex_migrator"),
        }
        return self._common() | {"MSPLEX_PROCESS": Process.COMMAND} | urls | self._key_files({"CONTEXT_KEY"})

    def command_environment(self) -> dict[str, str]:
        """For commands that do what people do in the portal, such as making demo data."""
        urls = {
            "DATABASE_URL": self.database_url("msplex_app"),
            "MSPLEX_PROVIDER_DATABASE_URL": self.database_url("msplex_provider"),
            "REDIS_URL": self.redis_url,
        }
        return self._common() | {"MSPLEX_PROCESS": Process.COMMAND} | urls | self._key_files(KEYS[Process.PORTAL])

    def programs(self) -> Iterator[Program]:
        """Each with an address of its own for its numbers, if they are wanted."""
        port = self.overrides.get("MSPLEX_METRICS_PORT")
        for program in self._programs():
            if not port or "MSPLEX_PROCESS" not in program.environment:
                yield program
                continue
            yield replace(program, environment={**program.environment, "MSPLEX_METRICS_ADDRESS": port})
            port = str(int(port) + 1)

    def _programs(self) -> Iterator[Program]:
        if self.is_demo:
            yield self._vendor()
        yield self._sealer()
        for process in (Process.BROKER, Process.WORKER):
            yield self._tasks(process)
        yield self._calls()
        yield self._beat()
        yield self._door(Process.PORTAL, "wsgi", self.ports.portal)
        yield self._door(Process.GATEWAY, "asgi", self.ports.gateway)

    def _common(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        name, _, value = self.home.marker.partition("=")
        values = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "msplex.settings",
            name: value,
            "MSPLEX_ENV": self.mode,
            "MSPLEX_PUBLIC_URL": self.public_url,
            "MSPLEX_GATEWAY_URL": self.gateway_url,
        }
        if self.is_demo:
            values["MSPLEX_VENDOR_NETWORKS"] = "127.0.0.0/8"
        return inherited | values | {name: value for name, value in self.overrides.items() if name not in MAIL}

    def _key_files(self, names: set[str]) -> dict[str, str]:
        variables = [f"MSPLEX_{name}" for name in sorted(names)]
        return {f"{variable}_FILE": str(self.keys.file(variable)) for variable in variables}

    def _vendor(self) -> Program:
        command = [sys.executable, "-m", "connectors.vendors.halopsa.stub", "--port", str(self.ports.vendor)]
        return Program("vendor", command, self._stranger(), VENDOR, ready_address=self.vendor_url)

    def _stranger(self) -> dict[str, str]:
        """The vendor's stand-in is not one of us: no key, no database, no queue."""
        common = self._common()
        return {name: common[name] for name in ("PATH", "PYTHONUNBUFFERED", "MSPLEX_HOME")}

    def _sealer(self) -> Program:
        """Among the first to start and the last to stop: calls wait for it."""
        return Program(
            Process.SEALER, [*MANAGE, "seal"], self.environment(Process.SEALER), VENDOR, ready_line="The sealer works"
        )

    def _tasks(self, process: Process) -> Program:
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        size = ("--concurrency", "2", "--loglevel", self.log_level)
        command = [*_CELERY, "worker", "-Q", process, "-n", f"{process}@%h", *size, *quiet]
        return Program(process, command, self.environment(process), TASKS, ready_line=" ready.")

    def _calls(self) -> Program:
        """The broker's other half: what agents wait for does not go through Celery."""
        command, environment = [*MANAGE, "run_calls"], self.environment(Process.BROKER)
        return Program("calls", command, environment, TASKS, ready_line="The broker takes calls")

    def _beat(self) -> Program:
        command = [
            *_CELERY,
            "beat",
            "--loglevel",
            self.log_level,
            "-s",
            str(self.home.state / "beat-schedule"),
            "--pidfile=",
        ]
        return Program(Process.BEAT, command, self.environment(Process.BEAT), DOORS, ready_line="beat: Starting")

    def _door(self, process: Process, interface: str, port: int) -> Program:
        where = ("--host", self.overrides.get("MSPLEX_HOST", "127.0.0.1"), "--port", str(port))
        said = ("--log-level", self.log_level.lower(), *(("--json-lines",) if self.says_json else ()))
        command = [sys.executable, "-m", "msplex.door", interface, *where, *said]
        # Everything stops within five seconds here.
        environment = {"MSPLEX_DRAIN_SECONDS": "0", "MSPLEX_STOP_SECONDS": "1", **self.environment(process)}
        return Program(process, command, environment, DOORS, ready_address=f"http://127.0.0.1:{port}/readyz")


_CELERY = (sys.executable, "-m", "celery", "-A", "msplex.celery:app", "--quiet")
MANAGE = (sys.executable, str(ROOT / "manage.py"))
