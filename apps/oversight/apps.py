from django.apps import AppConfig


class OversightConfig(AppConfig):
    name = "apps.oversight"
    label = "oversight"
    holds_activity = True  # its tables hold what agents did: apps.activity.erasure.places

    def ready(self) -> None:
        from apps.oversight import receivers  # noqa: F401, PLC0415
