"""The Celery application: thin tasks that follow the answers and the clock."""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery, Task, signals
from flask import Flask

from service import create_app
from service.delivery.broker import celery_config
from service.sweep import Sweeper


def celery_init_app(app: Flask) -> Celery[Any]:
    """Celery around a Flask application, as Flask's documentation sets it up."""

    class FlaskTask(Task[Any, Any]):
        def __call__(self, *args: object, **kwargs: object) -> object:
            with app.app_context():
                return self.run(*args, **kwargs)

    modules = ["tasks.inbound", "tasks.mail", "tasks.responses"]
    celery_app: Celery[Any] = Celery(app.name, task_cls=FlaskTask, include=modules)
    celery_app.config_from_object(celery_config(app.config["SETTINGS"]))
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
    """Give a forked child connections of its own, and a sweep for while the broker is away."""
    flask_app.extensions["db"].dispose()
    Sweeper(flask_app.extensions["db"], flask_app.config["SETTINGS"], flask_app.config["CLOCK"]).start()
