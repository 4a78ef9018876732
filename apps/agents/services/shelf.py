"""What somebody keeps at hand: saved views of the list, bookmarks. Nobody else's business, so not in the ledger."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from apps.agents.models import Agent, Bookmark, SavedView
from apps.identity.models import Principal
from apps.kit.errors import InvalidInput, NotFound

MOST_VIEWS = 50
IGNORED = ("cursor", "page")


@transaction.atomic
def save_view(name: str, query: str, *, actor: Principal, is_shared: bool = False) -> SavedView:
    """Keep a query string of the list under a name; the same name again replaces it."""
    name = name.strip()
    problems = {}
    if not 0 < len(name) <= 80:
        problems["name"] = "Enter a name of at most 80 characters"
    if len(query) > 2000:
        problems["query"] = "The filter is longer than 2,000 characters"
    if SavedView.objects.filter(owner=actor).exclude(name=name).count() >= MOST_VIEWS:
        problems["name"] = f"You have {MOST_VIEWS} views. Remove one first"
    if problems:
        raise InvalidInput("The view was not saved.", fields=problems)
    view, _ = SavedView.objects.update_or_create(
        owner=actor, name=name, defaults={"query": query, "is_shared": is_shared}
    )
    return view


def remove_view(view_id: UUID, *, actor: Principal) -> None:
    """Forget one of the actor's own views."""
    removed, _ = SavedView.objects.filter(owner=actor, pk=view_id).delete()
    if not removed:
        raise NotFound("There is no such view of yours.")


def set_bookmark(agent: Agent, *, kept: bool, actor: Principal) -> bool:
    """Keep the agent at hand or not; returns `kept`. The caller came through the agent's door."""
    if kept:
        Bookmark.objects.get_or_create(owner=actor, agent=agent)
    else:
        Bookmark.objects.filter(owner=actor, agent=agent).delete()
    return kept
