from django.apps import AppConfig


class CompositionConfig(AppConfig):
    """The composition root: gives every process the Celery application, so that tasks find their broker."""

    name = "config"
    label = "config"

    def ready(self) -> None:
        from config import celery  # noqa: F401, PLC0415
