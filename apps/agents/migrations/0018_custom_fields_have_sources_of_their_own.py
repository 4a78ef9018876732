from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.db import migrations


def split(apps: Any, schema_editor: Any) -> None:
    """A claim of all custom fields becomes one of each. A file's is of those it names; a person's of those on which no
    other source says the same."""
    Claim, Declaration = apps.get_model("agents", "Claim"), apps.get_model("agents", "Declaration")
    claims = defaultdict(list)
    for one in Claim.objects.filter(field="custom"):
        claims[one.agent_id].append(one)
    bodies = {
        (one.agent_id, one.repository): one.body for one in Declaration.objects.filter(agent__in=claims)
    }
    for agent_id, all_of_it in claims.items():
        said = set()
        for one in sorted(all_of_it, key=lambda one: one.origin == "person"):
            values = one.value or {}
            if one.origin == "declared" and (agent_id, one.source) in bodies:
                named = bodies[(agent_id, one.source)].get("custom", {})
                values = {key: value for key, value in values.items() if key in named}
            for key, value in values.items():
                if one.origin == "person" and (key, str(value)) in said:
                    continue
                said.add((key, str(value)))
                Claim.objects.create(
                    agent_id=agent_id, field=f"custom.{key}", origin=one.origin, source=one.source, value=value,
                    claimed_at=one.claimed_at, stated_by_id=one.stated_by_id, settled_at=one.settled_at,
                )  # fmt: skip
    Claim.objects.filter(field="custom").delete()


def join(apps: Any, schema_editor: Any) -> None:
    Claim = apps.get_model("agents", "Claim")
    whole: dict[Any, dict[str, Any]] = defaultdict(dict)
    for one in Claim.objects.filter(field__startswith="custom."):
        whole[(one.agent_id, one.origin, one.source)][one.field.removeprefix("custom.")] = one.value
    for (agent_id, origin, source), value in whole.items():
        Claim.objects.create(agent_id=agent_id, field="custom", origin=origin, source=source, value=value)
    Claim.objects.filter(field__startswith="custom.").delete()


class Migration(migrations.Migration):
    dependencies = [("agents", "0017_classifications_keep_their_path")]

    operations = [migrations.RunPython(split, join)]
