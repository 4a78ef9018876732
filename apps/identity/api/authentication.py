"""How REST learns who asks: an API key in the Authorization header, or the session of the pages."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from apps.identity.access import act_through
from apps.identity.audit import name_actor
from apps.identity.models import ApiKey, Person, Principal
from apps.identity.services.keys import authenticate_key


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer chy_...`; the actor is the key's principal, narrowed to the key's scopes."""

    def authenticate(self, request: Request) -> tuple[Principal, ApiKey] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        key = authenticate_key(token.strip())
        name_actor(key.principal)
        return act_through(key.principal, key), key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="chancery"'


class SessionActorAuthentication(SessionAuthentication):
    """The signed-in person of the pages; writes must carry the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:  # type: ignore[override]
        person = getattr(request._request, "user", AnonymousUser())
        if not isinstance(person, Person):
            return None
        self.enforce_csrf(request)
        return person.principal, None


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "apps.identity.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API key: chy_<prefix>_<secret>"}


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = "apps.identity.api.authentication.SessionActorAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "__Host-chancery_session"}
