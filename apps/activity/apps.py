from django.apps import AppConfig


class ActivityConfig(AppConfig):
    name = "apps.activity"
    label = "activity"
    holds_activity = True  # its tables hold what agents did: apps.activity.erasure.places
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from apps.activity import receivers  # noqa: F401, PLC0415
