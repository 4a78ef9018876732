"""The door to identity's data: what each actor may see of people, keys and the ledger."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from apps.identity.access import access_of
from apps.identity.models import ApiKey, LedgerEntry, Principal, Team, WebhookEndpoint
from apps.identity.roles import Permission


def people_visible_to(actor: Principal) -> QuerySet[Principal]:
    """Everybody, for those who may see people; oneself otherwise. Agents see no people."""
    people = Principal.objects.filter(kind=Principal.Kind.HUMAN).select_related("person")
    people = people.prefetch_related("roles__team")
    return (
        people if access_of(actor).allows_somewhere(Permission.IDENTITY_VIEW) else people.filter(pk=actor.pk)
    )


def teams_visible_to(actor: Principal) -> QuerySet[Team]:
    access = access_of(actor)
    if access.allows_somewhere(Permission.IDENTITY_VIEW):
        return Team.objects.all()
    return Team.objects.filter(pk__in=list(access.by_team))


def keys_visible_to(actor: Principal) -> QuerySet[ApiKey]:
    """Keys of the teams in which the actor may see keys, and all of them where it may everywhere."""
    access, keys = access_of(actor), ApiKey.objects.select_related("principal", "created_by")
    if access.allows(Permission.KEYS_VIEW):
        return keys
    return keys.filter(Q(principal__team_id__in=access.teams_with(Permission.KEYS_VIEW)))


def ledger_visible_to(actor: Principal) -> QuerySet[LedgerEntry]:
    """The whole ledger or nothing: a proof of part of it would be worth nothing."""
    entries = LedgerEntry.objects.select_related("leaf")
    return entries if access_of(actor).allows(Permission.LEDGER_VIEW) else entries.none()


def endpoints_visible_to(
    actor: Principal, permission: str = Permission.OUTGOING_VIEW
) -> QuerySet[WebhookEndpoint]:
    """All webhooks, or those of the teams in which the actor may see what goes out."""
    access, endpoints = access_of(actor), WebhookEndpoint.objects.select_related("team", "created_by")
    return (
        endpoints if access.allows(permission) else endpoints.filter(team__in=access.teams_with(permission))
    )


def timeline_of(target_type: str, target_id: object) -> QuerySet[LedgerEntry]:
    """The ledger's entries about one thing, newest first; the caller has passed the thing's own door."""
    return LedgerEntry.objects.filter(target_type=target_type, target_id=str(target_id)).order_by("-id")
