"""A toast from an answer to htmx; after a full page load django.contrib.messages does the same."""

from django.http import HttpResponse
from django_htmx.http import trigger_client_event


def toast(response: HttpResponse, text: str, icon: str = "check") -> HttpResponse:
    """Have the page say `text` beside `icon` (a symbol of the sprite) once the answer is in place."""
    trigger_client_event(response, "toast", {"text": text, "icon": icon})
    return response
