"""Many agents in one call."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.agents.api.serializers import AgentWrite
from apps.agents.services.upserts import AT_MOST, Result, Wanted, upsert_agents
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.roles import Permission
from apps.kit.rest.problems import flatten
from apps.kit.rest.reading import body_of, read


class BulkItem(AgentWrite):
    """`slug` is the natural key; the other fields are those of a PATCH."""

    slug = serializers.SlugField(max_length=80)
    name = serializers.CharField(max_length=200, required=False)


class BulkWrite(serializers.Serializer[Any]):
    """Items are read one by one: a wrong one fails by itself."""

    items = serializers.ListField(child=serializers.DictField(), min_length=1, max_length=AT_MOST)
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class BulkResult(serializers.Serializer[Any]):
    """`status` is created, updated, unchanged or failed; `fields` says what was expected of a failed item."""

    slug = serializers.CharField()
    status = serializers.ChoiceField(["created", "updated", "unchanged", "failed"])
    id = serializers.UUIDField(allow_null=True)
    version = serializers.IntegerField(allow_null=True)
    message = serializers.CharField()
    fields = serializers.DictField(child=serializers.CharField())  # type: ignore[assignment]


class BulkAnswer(serializers.Serializer[Any]):
    results = BulkResult(many=True)


class BulkView(APIView):
    """Put up to 1,000 agents on record: made as drafts where missing, changed where different."""

    permissions = {"POST": Permission.AGENTS_CURATE}

    @extend_schema(request=BulkWrite, responses=BulkAnswer)
    @idempotent
    def post(self, request: Request) -> Response:
        body = body_of(request, BulkWrite)
        read = [_read(item) for item in body["items"]]
        wanted = [one for one in read if isinstance(one, Wanted)]
        written = iter(
            upsert_agents(wanted, reason=body["reason"], actor=actor_of(request)) if wanted else []
        )
        results = [next(written) if isinstance(one, Wanted) else one for one in read]
        return Response({"results": [_told(result) for result in results]})


def _read(item: dict[str, Any]) -> Wanted | Result:
    try:
        values = dict(read(BulkItem(data=item)))
    except ValidationError as error:
        slug, fields = str(item.get("slug", "")), flatten(error.detail)
        return Result(slug, "failed", message="The item is not as expected.", fields=fields)
    return Wanted(values.pop("slug"), values)


def _told(result: Result) -> dict[str, Any]:
    return {
        "slug": result.slug, "status": result.status, "id": str(result.agent.pk) if result.agent else None,
        "version": result.agent.version if result.agent else None, "message": result.message, "fields": dict(result.fields),
    }  # fmt: skip
