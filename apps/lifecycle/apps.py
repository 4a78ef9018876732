from django.apps import AppConfig


class LifecycleConfig(AppConfig):
    name = "apps.lifecycle"
    label = "lifecycle"

    def ready(self) -> None:
        from apps.lifecycle import receivers  # noqa: F401, PLC0415
