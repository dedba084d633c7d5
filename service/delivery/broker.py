"""The doorbell: how Celery is set up, and the nudge after a commit.

The database is the truth. A nudge only makes what is due happen at once; a lost one costs the time until
the next sweep. So publishing has short timeouts, a failure is logged and ignored, and after one there are
no nudges for a while: a dead or frozen broker neither fails nor slows a click.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from celery import Celery

from service.settings.table import Settings
from service.store.db import Nudges

TIMEOUT = 0.5
"""Seconds for connecting to the broker and for each of its replies, when nudging."""
SILENCE = 30.0
"""Seconds without nudges after one failed."""

log = logging.getLogger(__name__)


def celery_config(settings: Settings) -> dict[str, Any]:
    """Give Celery its settings; each guards against a loss or a block that was seen (docs/design.md)."""
    return {
        "broker_url": settings.REDIS_URL,
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_publish_retry": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            "socket_timeout": 5,
            "socket_connect_timeout": 5,
            # Longer than any task: Redis would deliver a running one again.
            "visibility_timeout": 3600,
        },
    }


class Nudger:
    """The nudge: it sends ids to tasks by name after a commit, and never lets the broker hold up the caller.

    ``monotonic`` is the clock, in seconds, that the silence after a failure is measured with.
    """

    def __init__(self, settings: Settings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._celery = Celery("twoyes-nudges", set_as_current=False)
        self._celery.conf.update(celery_config(settings))
        self._celery.conf.broker_transport_options = {
            "socket_timeout": TIMEOUT,
            "socket_connect_timeout": TIMEOUT,
            "max_retries": 0,
        }
        self._quiet_until = 0.0

    def __call__(self, nudges: Nudges) -> None:
        """Nudge each task about its ids; a failure is logged and followed by silence."""
        if self._monotonic() < self._quiet_until:
            return
        try:
            for task, ids in nudges.items():
                self._celery.send_task(task, args=[ids], retry=False)
        except Exception as error:  # noqa: BLE001
            # Whatever the broker's client raises, the commit stands and the sweep follows.
            self._quiet_until = self._monotonic() + SILENCE
            log.warning("no nudges for %d s, the sweep follows: %s", SILENCE, type(error).__name__)

    def is_up(self) -> bool:
        """Tell whether the broker answers, asked within the same short timeouts."""
        try:
            with self._celery.connection_for_write() as connection:
                # Kombu's Redis transport pings the server when it connects. Without a limit of its own
                # it would sleep for two seconds and try once more, whatever the timeouts say.
                connection.ensure_connection(max_retries=0)
        except Exception:  # noqa: BLE001
            # Whatever the client raises, there is no answer.
            return False
        return True
