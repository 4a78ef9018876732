"""Who asks over REST."""

from rest_framework.request import Request

from apps.identity.models import Principal
from apps.kit.errors import NotSignedIn


def actor_of(request: Request) -> Principal:
    """The principal behind the request; NotSignedIn when there is none."""
    actor: object = request.user
    if not isinstance(actor, Principal):
        raise NotSignedIn("Present an API key, or sign in.")
    return actor
