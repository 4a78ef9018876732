"""The Celery application: tasks of every app, the schedule in settings."""

import os
from typing import Any

from celery import Celery, Task

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
