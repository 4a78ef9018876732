"""The catalogue of what agents use: tools, models, predictive models, data sources, systems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from apps.agents.models import ASSETS, Asset, Dependency, Tool
from apps.agents.versions import hash_of
from apps.identity.access import require
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, InvalidInput, StaleWrite

SHARED = ("description", "owner", "team")
WRITABLE: dict[str, tuple[str, ...]] = {
    "tool": ("name", "server", "kind", "side_effect", "data_classes", "schema", *SHARED),
    "model": (
        "provider",
        "model",
        "snapshot",
        "region",
        "deprecated_on",
        "input_usd_per_million",
        "output_usd_per_million",
        *SHARED,
    ),
    "predictive_model": ("name", "release", "registry_url", "metrics_url", "drift_status", "tool", *SHARED),
    "data_source": ("name", "data_class", "region", "system", *SHARED),
    "system": ("name", "kind", "url", "region", "criticality", *SHARED),
}


@transaction.atomic
def register_asset(kind: str, values: Mapping[str, Any], *, actor: Principal) -> Asset:
    """Put something into the catalogue. Raises Conflict when its natural key is taken."""
    require(actor, Permission.AGENTS_CURATE)
    asset: Asset = ASSETS[kind]()
    _set(kind, asset, values)
    _write(asset, kind)
    record_act(f"agents.{kind}.registered", actor=actor, target=(kind, asset.pk), detail={"name": str(asset)})
    return asset


@transaction.atomic
def edit_asset(
    kind: str, asset_id: UUID, values: Mapping[str, Any], *, actor: Principal, version: int | None = None
) -> Asset:
    """Change it. `version` refuses a stale write."""
    require(actor, Permission.AGENTS_CURATE)
    asset: Asset = ASSETS[kind]._default_manager.select_for_update(no_key=True).get(pk=asset_id)
    if version is not None and asset.version != version:
        raise StaleWrite(f"{asset} was changed meanwhile; it is at version {asset.version} now.")
    changes = _set(kind, asset, values)
    if not changes:
        return asset
    asset.version += 1
    _write(asset, kind)
    record_act(
        f"agents.{kind}.edited",
        actor=actor,
        target=(kind, asset.pk),
        detail={"name": str(asset), "changes": changes},
    )
    return asset


@transaction.atomic
def remove_asset(kind: str, asset_id: UUID, *, actor: Principal, reason: str) -> None:
    """Take it out of the catalogue. Refused while anything depends on it."""
    require(actor, Permission.AGENTS_CURATE)
    asset: Asset = ASSETS[kind]._default_manager.select_for_update().get(pk=asset_id)
    needed_by = Dependency.objects.filter(target_id=asset_id).values("source_id").distinct().count()
    if needed_by:
        raise Conflict(
            f"{asset} cannot go: {needed_by} {'things depend' if needed_by > 1 else 'thing depends'} on it.",
            code="agents.asset.needed",
        )
    record_act(
        f"agents.{kind}.removed",
        actor=actor,
        target=(kind, asset.pk),
        reason=reason,
        detail={"name": str(asset)},
    )
    Dependency.objects.filter(source_id=asset_id).delete()
    try:
        asset.delete()
    except ProtectedError as error:
        raise Conflict(f"{asset} cannot go: it was granted to agents.", code="agents.asset.needed") from error


def _set(kind: str, asset: Asset, values: Mapping[str, Any]) -> dict[str, list[str]]:
    unknown = sorted(values.keys() - set(WRITABLE[kind]))
    if unknown:
        raise InvalidInput("Nothing was written.", fields=dict.fromkeys(unknown, "There is no such field"))
    changes = {}
    for name, value in values.items():
        before = getattr(asset, name)
        if before != value:
            setattr(asset, name, value)
            changes[name] = [_words(before), _words(value)]
    if isinstance(asset, Tool):
        asset.schema_hash = hash_of(asset.schema) if asset.schema else ""
    return changes


def _write(asset: Asset, kind: str) -> None:
    try:
        asset.clean_fields()
        with transaction.atomic():
            asset.save()
    except ValidationError as error:
        raise InvalidInput(
            "Some fields are not as expected.",
            fields={name: " ".join(words) for name, words in error.message_dict.items()},
        ) from error
    except IntegrityError as error:
        raise Conflict(
            f"There is a {kind.replace('_', ' ')} of this name already.", code="agents.asset.exists"
        ) from error


def _words(value: Any) -> str:
    return "" if value is None else str(value)
