"""The password backend, reading the person and the principal behind it in one query."""

from typing import Any

from django.contrib.auth.backends import ModelBackend

from apps.identity.models import Person


class PersonBackend(ModelBackend):
    """Password sign-in; single sign-on adds its own backend beside this one."""

    def get_user(self, user_id: Any) -> Person | None:
        person = Person.objects.select_related("principal").filter(pk=user_id).first()
        usable = person is not None and person.is_active and person.principal.is_active
        return person if usable else None

    def user_can_authenticate(self, user: Any) -> bool:
        return super().user_can_authenticate(user) and user.principal.is_active
