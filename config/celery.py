"""The Celery application: tasks of every app, the schedule in settings."""

import os
from typing import Any

from celery import Celery, Task
from celery.signals import worker_init

AFTER_ALL = (
    10  # niceness: where cores are few, what nobody waits for goes after what comes in and its working off
)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class ActingTask(Task):  # type: ignore[misc]
    """What a task changes is Chancery's own act, unless the task names who asked for it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from apps.identity.audit import acting_by_itself  # noqa: PLC0415 - models load after Celery

        with acting_by_itself():
            return super().__call__(*args, **kwargs)


app = Celery("chancery", task_cls=ActingTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def _step_back(**_: Any) -> None:
    """Only the worker itself: whoever imports this to send a task stays as it is."""
    os.nice(AFTER_ALL)
