"""People and teams by the names that tables give them."""

from __future__ import annotations

from apps.identity.models import Principal, Team


def people_and_teams() -> tuple[dict[str, str], dict[str, str]]:
    """Ids of active people by address and name, and of teams by name, in lower case; two queries. A name two people
    share means the first."""
    people = Principal.objects.filter(kind=Principal.Kind.HUMAN, is_active=True).select_related("person")
    found = {person.person.email.lower(): str(person.pk) for person in people}
    for person in people:
        found.setdefault(person.name.lower(), str(person.pk))
    return found, {team.name.lower(): str(team.pk) for team in Team.objects.all()}
