"""One machine with nothing installed beside Python: `make run`, `make demo`, the mailbox.

The same processes run as in production, from the same Procfile; only their settings differ. This
module decides those settings. Every one of them is a default: what the environment gives wins.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from service.settings.environment import read_environment
from service.settings.table import Settings

LOOPBACK = "127.0.0.1"
RUN_SETTINGS = "settings.json"
"""The file in DATA_DIR with the settings that the last run decided itself."""
# Short enough that the whole story, from form to ledger, can be watched in one sitting.
SHORT_DURATIONS = {
    "HOLD_FOR": "10s",
    "ANSWER_WITHIN": "10m",
    "REMIND_AFTER": "2m",
    "FOLLOW_UP_AFTER": "20s",
    "CONFIRM_WITHIN": "10m",
    "VERIFY_WITHIN": "1h",
    "SWEEP_EVERY": "1s",
    "MAIL_BACKOFF": "5s,15s,1m",
    "MAIL_TIMEOUT": "10s",
    "MAIL_DATA_TIMEOUT": "30s",
    # Somebody who tries things out verifies the same address more often than anybody in earnest.
    "VERIFICATIONS_PER_DAY": "20",
}


class CannotRun(Exception):
    """The embedded mode cannot start or go on; the message is one plain sentence for a person."""


@dataclass(frozen=True)
class Plan:
    """What the embedded mode will run, decided from the environment alone."""

    environ: dict[str, str]  # for every child process
    data_dir: Path
    redis_socket: Path | None  # where the built-in Redis listens; None when REDIS_URL names another
    mail_port: int | None  # where the mail catcher listens; None when a relay was named

    @property
    def mailbox(self) -> Path:
        """Return the Maildir that the local mailbox fills."""
        return self.data_dir / "mailbox"


def make_plan(environ: Mapping[str, str], scratch: Path) -> Plan:
    """Decide what to run and with which settings.

    `scratch` is a folder for what need not outlive the run: the socket of the built-in Redis is
    there, and not in DATA_DIR, because a socket's path may not be longer than some 100 bytes.
    Touches no file. Raises SettingsError when a `<NAME>_FILE` cannot be read.
    """
    named = dict(read_environment(environ))
    data_dir = Path(named.get("DATA_DIR", "var")).absolute()
    redis_socket = None if "REDIS_URL" in named else scratch / "redis.sock"
    mail_port = None if named.keys() & {"MAIL_SERVER", "MAIL_PORT"} else free_port()
    defaults = _defaults(data_dir, redis_socket, mail_port)
    values = {**environ, **{name: value for name, value in defaults.items() if name not in named}}
    values.pop("DATA_DIR_FILE", None)
    values["DATA_DIR"] = str(data_dir)
    values["BIND"] = environ.get("BIND") or LOOPBACK
    # A fresh container has only root. In production the warning is right; here it is eight lines of noise.
    values.setdefault("PYTHONWARNINGS", "ignore:You're running the worker with superuser privileges")
    # The children's commands are looked up beside the interpreter that runs this one.
    values["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)])
    return Plan(values, data_dir, redis_socket, mail_port)


def _defaults(data_dir: Path, redis_socket: Path | None, mail_port: int | None) -> dict[str, str]:
    values = {
        "EMBEDDED": "1",
        "PORT": "8000",
        "DATABASE_URL": f"sqlite:///{data_dir}/twoyes.db",
        **SHORT_DURATIONS,
    }
    if redis_socket is not None:
        values["REDIS_URL"] = f"redis+socket://{redis_socket}"
    if mail_port is not None:
        values |= {"MAIL_SERVER": LOOPBACK, "MAIL_PORT": str(mail_port), "MAILBOX": "1"}
        # Only here: from a real relay, nobody's reply would find its way back to this domain.
        values["INBOUND_DOMAIN"] = "localhost"
    return values | {"INBOUND_PORT": str(free_port())}


def with_secret(environ: Mapping[str, str], data_dir: Path) -> dict[str, str]:
    """Return the environment with a SECRET_KEY: the one given, or the one kept in `data_dir`.

    The children get the file's name and not the key, since other users may read a process's
    environment on some systems.
    """
    values = dict(environ)
    if "SECRET_KEY" not in dict(read_environment(environ)):
        values.pop("SECRET_KEY", None)
        values["SECRET_KEY_FILE"] = str(_secret_file(data_dir / "secret_key"))
    return values


def _secret_file(path: Path) -> Path:
    """Make the key once: links mailed yesterday must still work after the next start."""
    if not path.exists() or not path.read_text().strip():
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
        # Renamed when complete, so that a start killed half-way leaves no empty key behind.
        fresh.replace(path)
    return path


def save_run_settings(plan: Plan, environ: Mapping[str, str], overrides: Mapping[str, str]) -> None:
    """Write the settings that a run decided itself to a file, for `with_last_run`; none is a secret."""
    # Links lead where the pages are, whoever chose the port.
    only_this_time = overrides.keys() - {"PORT", "PUBLIC_URL"}
    names = {*Settings.model_fields, "SECRET_KEY_FILE"} & environ.keys() - only_this_time
    path = plan.data_dir / RUN_SETTINGS
    path.write_text(json.dumps({name: environ[name] for name in sorted(names)}, indent=2) + "\n")


def with_last_run(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment and, unless it names a database, the settings of the last run on DATA_DIR.

    Raises SettingsError when a `<NAME>_FILE` cannot be read.
    """
    named = dict(read_environment(environ))
    path = Path(named.get("DATA_DIR", "var")) / RUN_SETTINGS
    if "DATABASE_URL" in named or not path.exists():
        return dict(environ)
    values: dict[str, str] = json.loads(path.read_text())
    return dict(environ) | {n: value for n, value in values.items() if n.removesuffix("_FILE") not in named}


def free_port() -> int:
    """Return a TCP port on the loopback interface that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port
