"""Everything the outside may set, typed, read once; a process with a missing or unsafe value refuses to start."""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from config.mail import mailer
from wharf.networks import parse_networks

ROOT = Path(__file__).resolve().parent.parent
#: Where Docker puts secrets: a file a variable, named like it in lower case (`wharf_secret_key`).
SECRETS = Path("/run/secrets")


class Env(BaseSettings):
    """Environment variables, each with the prefix `WHARF_`, or files under /run/secrets."""

    model_config = SettingsConfigDict(
        # What is wrong with a variable is said, what is in it is not.
        env_prefix="WHARF_",
        hide_input_in_errors=True,
        frozen=True,
        extra="ignore",
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
    )

    #: Signs log-ins and tokens; at least 32 characters, never a default.
    secret_key: SecretStr
    #: PostgreSQL; a Unix socket is written as its folder, percent-encoded, in the place of the host.
    database_url: SecretStr
    #: Valkey or Redis, for the live channel layer.
    redis_url: SecretStr

    debug: bool = False
    #: Where people reach us; links and the WebSocket address are made from it.
    public_url: str = "http://127.0.0.1:3000"
    #: Host names the server answers to, separated by commas; the one of `public_url` is always among them.
    allowed_hosts: str = ""
    #: How mail leaves (`config.mail`); by default into the terminal, codes included, which is for development.
    email_url: SecretStr = SecretStr("console://")
    #: Who mails are from.
    email_from: str = "Wharf <wharf@localhost>"
    #: The worker's own folder: device stores and journals. Private to one worker, kept between its runs.
    state_dir: Path = ROOT / "var" / "worker"
    #: The sandbox's control address; empty means that no company can have sandbox sessions here.
    sandbox_url: str = ""
    #: Linked sessions that may share one host process (docs/architecture.md, hosts).
    sessions_per_host: int = Field(default=25, ge=1, le=50)
    #: Hosts are merged when nothing has happened in their sessions for so long; 0: never of the worker's own accord.
    repack_quiet_minutes: int = Field(default=15, ge=0)
    #: Hours of the day (UTC) in which that is done, such as `2-5` or `22-6`; empty: always.
    repack_hours: str = Field(default="", pattern=r"^(([01]?\d|2[0-3])-([01]?\d|2[0-4]))?$")
    #: How many sessions one worker takes at most.
    worker_capacity: int = Field(default=500, ge=1)
    #: Pre-started hosts kept ready for a new pairing, for each network in use.
    warm_hosts: int = Field(default=1, ge=0, le=4)
    #: Socket.IO's events come under their hyphenated names too (docs/api.md).
    socketio_aliases: bool = False
    #: How many days the event log goes back. More than the days that webhooks are tried for.
    event_days: int = Field(default=30, ge=4, le=3650)
    #: How many days the audit of each company goes back; 0: for ever.
    audit_days: int = Field(default=0, ge=0, le=36500)
    #: Networks of the operator's own that webhooks may go to, in CIDR notation, separated by commas.
    webhook_allowed_networks: str = ""
    #: Where sealed copies of device stores go; empty means `backups` in the state folder, which is the same disk.
    backup_dir: Path | None = None
    #: Seconds between two snapshots of one device store, when it changes.
    snapshot_seconds: int = Field(default=300, ge=10, le=86400)
    #: Seconds of silence of a disk's workers after which its sessions are brought up elsewhere from their snapshots; a
    #: worker that cannot renew its lease ends its connections before that. 0: never, neither of both.
    lost_disk_seconds: int = Field(default=300, ge=0, le=86400)
    #: Seals those copies; empty means that `secret_key` does.
    backup_key: SecretStr = SecretStr("")
    #: Where the monitor tells of trouble: Apprise's addresses (Telegram, e-mail, ...), separated by white space.
    alert_urls: SecretStr = SecretStr("")
    #: Opens `/metrics` to whoever carries it as a bearer token; empty keeps it closed.
    metrics_token: SecretStr = SecretStr("")
    #: `host:port` at which worker, jobs and webhooks show metrics and probes; empty: nowhere. Each its own.
    metrics_address: str = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 32:
            raise ValueError("must have at least 32 characters; `openssl rand -base64 48` makes one")
        return value

    @field_validator("lost_disk_seconds")
    @classmethod
    def _time_to_leave(cls, value: int) -> int:
        if 0 < value < 60:
            raise ValueError("must be 0 or at least 60: connections need time to end, and databases to restart")
        return value

    @field_validator("email_url")
    @classmethod
    def _a_way_for_mail(cls, value: SecretStr) -> SecretStr:
        mailer(value.get_secret_value())
        return value

    @field_validator("webhook_allowed_networks")
    @classmethod
    def _networks(cls, value: str) -> str:
        parse_networks(value)
        return value

    @field_validator("metrics_token")
    @classmethod
    def _not_to_be_guessed(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < 32:
            raise ValueError("must have at least 32 characters; `openssl rand -hex 32` makes one")
        return value

    @field_validator("metrics_address")
    @classmethod
    def _a_place_to_listen(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value and not (host and port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
            raise ValueError("must be host:port, such as 127.0.0.1:9464")
        return value

    @property
    def repack_window(self) -> tuple[int, int]:
        """From hour to hour, the latter excluded; from one to itself is the whole day."""
        first, _, last = (self.repack_hours or "0-24").partition("-")
        return int(first), int(last) % 24

    @property
    def hosts(self) -> set[str]:
        return {name.strip() for name in self.allowed_hosts.split(",") if name.strip()}


@lru_cache(maxsize=1)
def read_env() -> Env:
    """The process's settings; raises pydantic's ValidationError, which names each wrong variable."""
    return Env()  # type: ignore[call-arg]  # the fields come from the environment
