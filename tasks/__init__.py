"""The Celery application: thin tasks that follow the answers and the clock."""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery, Task, signals
from flask import Flask

from service import create_app
from service.delivery.broker import celery_config
from service.settings.table import Settings
from service.sweep import Sweeper


def beat_schedule(settings: Settings) -> dict[str, Any]:
    """Tell beat what to do by the clock: the sweep, and nothing else."""
    every = settings.SWEEP_EVERY.total_seconds()
    # A beat that was alone for long must not leave a heap of sweeps behind.
    return {
        "sweep": {"task": "tasks.responses.sweep", "schedule": every, "options": {"expires": max(every, 1.0)}}
    }


def celery_init_app(app: Flask) -> Celery[Any]:
    """Make Celery around a Flask application, as Flask's documentation sets it up."""

    class FlaskTask(Task[Any, Any]):
        def __call__(self, *args: object, **kwargs: object) -> object:
            with app.app_context():
                return self.run(*args, **kwargs)

    modules = ["tasks.inbound", "tasks.mail", "tasks.responses"]
    celery_app: Celery[Any] = Celery(app.name, task_cls=FlaskTask, include=modules)
    settings: Settings = app.config["SETTINGS"]
    celery_app.config_from_object(celery_config(settings) | {"beat_schedule": beat_schedule(settings)})
    celery_app.set_default()
    app.extensions["celery"] = celery_app
    return celery_app


flask_app = create_app()
app = celery_init_app(flask_app)


@signals.after_setup_logger.connect
def _quieten(**_: object) -> None:
    """One sweep after the other is no news; what a task did is logged by the service itself."""
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)


@signals.worker_process_init.connect
def _start_child(**_: object) -> None:
    """Have a forked child open connections of its own, and sweep by itself while the broker is away."""
    flask_app.extensions["db"].dispose()
    Sweeper(flask_app.extensions["db"], flask_app.config["SETTINGS"], flask_app.config["CLOCK"]).start()
