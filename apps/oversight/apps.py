from django.apps import AppConfig


class OversightConfig(AppConfig):
    name = "apps.oversight"
    label = "oversight"

    def ready(self) -> None:
        from apps.oversight import receivers  # noqa: F401, PLC0415
