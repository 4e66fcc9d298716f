"""What a process is told from outside: typed, checked at start, each value also from a file named by <NAME>_FILE."""

import base64
import ipaddress
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from msplex.mail_server import check_email_url

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _decode_base64(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else base64.b64decode(value, validate=True)


def _decode_lines(value: Any) -> Any:
    return tuple(map(_decode_base64, value.split())) if isinstance(value, str) else value


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


EmailUrl = Annotated[str, AfterValidator(check_email_url), Field(repr=False)]
Key = Annotated[bytes, BeforeValidator(_decode_base64), Field(repr=False)]
Keys = Annotated[tuple[bytes, ...], NoDecode, BeforeValidator(_decode_lines), Field(repr=False)]
Words = Annotated[list[str], NoDecode, BeforeValidator(_split)]
Proposals = Annotated[list[Literal["SEP-2643"]], NoDecode, BeforeValidator(_split)]
Networks = Annotated[list[Network], NoDecode, BeforeValidator(_split)]


class Environment(BaseSettings):
    """Field names are the variables' names in lower case."""

    model_config = SettingsConfigDict(case_sensitive=False, extra="ignore", hide_input_in_errors=True)

    msplex_process: Literal["portal", "gateway", "worker", "broker", "sealer", "beat", "provider", "command"] = (
        "command"
    )
    msplex_env: Literal["production", "demo", "test"] = "production"
    database_url: str = ""
    redis_url: str = "redis://127.0.0.1:6379/0"
    msplex_admin_database_url: str = Field(default="", repr=False)
    msplex_migration_database_url: str = Field(default="", repr=False)
    msplex_provider_database_url: str = Field(default="", repr=False)
    msplex_log_level: Literal["DEBUG", "INFO", "WARNING"] = "INFO"
    msplex_log_format: Literal["", "json", "text"] = ""
    msplex_metrics_address: str = ""
    msplex_public_url: str = "http://127.0.0.1:8000"
    msplex_gateway_url: str = "http://127.0.0.1:8001/mcp"
    msplex_mcp_proposals: Proposals = ["SEP-2643"]
    msplex_email_url: EmailUrl = ""
    msplex_email_from: str = "MSPlex <msplex@localhost>"
    msplex_vendor_networks: Networks = []
    msplex_notify_networks: Networks = []
    msplex_trusted_origins: Words = []
    msplex_secret_key: str = Field(default="", repr=False)
    msplex_context_key: Key = b""
    msplex_context_key_id: int = 1
    msplex_token_signing_key: str = Field(default="", repr=False)
    msplex_token_verify_key: str = ""
    msplex_broker_signing_key: str = Field(default="", repr=False)
    msplex_broker_verify_key: str = ""
    msplex_broker_root_key: Keys = ()
    msplex_broker_keyring: str = ""
    msplex_sealing_suite: Literal["x25519", "hybrid"] = "x25519"
    msplex_storage_key_days: Annotated[int, Field(ge=1, le=3650)] = 90
    msplex_record_key: Keys = ()
    msplex_notify_key: Keys = ()
    msplex_notify_public_key: Key = b""
    msplex_log_signing_key: str = Field(default="", repr=False)
    msplex_pdf_signing_key: str = Field(default="", repr=False)
    msplex_pdf_certificates: str = ""
    msplex_sealer_dir: str = ""
    # With the limits of statements, every answer comes within two seconds.
    msplex_seal_seconds: float = Field(default=1.5, gt=0, le=30)
    msplex_webauthn_rp_id: str = ""


class EnvironmentInvalid(SystemExit):
    """A variable is missing or malformed: the message names it and the process ends."""


def _from_files() -> dict[str, str]:
    """NAME_FILE=path stands for NAME=content; giving both is refused, because one of them would be ignored."""
    values = {}
    for name in Environment.model_fields:
        path = os.environ.get(f"{name.upper()}_FILE")
        if not path:
            continue
        if os.environ.get(name.upper()):
            raise EnvironmentInvalid(f"Set {name.upper()} or {name.upper()}_FILE, not both.")
        try:
            values[name] = Path(path).read_text().strip()
        except OSError as error:
            raise EnvironmentInvalid(f"{name.upper()}_FILE: cannot read {path}: {error.strerror}.") from None
    return values


def read_environment() -> Environment:
    try:
        return Environment(**_from_files())  # type: ignore[arg-type]  # pydantic parses the text
    except ValidationError as error:
        lines = (f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise EnvironmentInvalid("The environment is not usable.\n" + "\n".join(lines)) from None
