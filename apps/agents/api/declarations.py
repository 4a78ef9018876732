"""Declarations over REST: what a repository's pipeline applies."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.agents.api.scoped import agent_for
from apps.agents.api.serializers import AgentRef
from apps.agents.declarations import MOST_AGENTS
from apps.agents.models import Declaration
from apps.agents.queries.declared import declared_of
from apps.agents.services.declaring import Place, Result, Stated, apply_declarations
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import PrincipalRef
from apps.identity.roles import Permission
from apps.kit.errors import NotFound
from apps.kit.rest.reading import body_of


class StatedWrite(serializers.Serializer[Any]):
    """`agent` keeps /schemas/chancery.schema.json; `lines` maps pointers such as `tools/0` ('' is the agent) to lines."""

    agent = serializers.DictField()
    lines = serializers.DictField(child=serializers.IntegerField(min_value=1), required=False)


class ApplyWrite(serializers.Serializer[Any]):
    """The whole of one file: what it does not name is told as left, never deleted."""

    repository = serializers.CharField(max_length=400)
    path = serializers.CharField(max_length=300)
    commit = serializers.CharField(max_length=64, required=False, allow_blank=True, default="")
    dry_run = serializers.BooleanField(required=False, default=False)
    items = serializers.ListField(child=StatedWrite(), min_length=1, max_length=MOST_AGENTS)


class LineShape(serializers.Serializer[Any]):
    pointer = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field of that name, not Field.label
    status = serializers.ChoiceField(["set", "unchanged", "kept_back", "left"])
    before = serializers.CharField()
    after = serializers.CharField()
    why = serializers.CharField()


class FaultShape(serializers.Serializer[Any]):
    pointer = serializers.CharField()
    message = serializers.CharField()


class DeclaredResult(serializers.Serializer[Any]):
    """`agent` is null for one that failed or was not made."""

    key = serializers.CharField()
    status = serializers.ChoiceField(["created", "changed", "unchanged", "failed", "left"])
    agent = AgentRef(allow_null=True)
    lines = LineShape(many=True)
    faults = FaultShape(many=True)


class ApplyAnswer(serializers.Serializer[Any]):
    """`applied` is false for a dry run and where anything failed: then nothing was written."""

    applied = serializers.BooleanField()
    results = DeclaredResult(many=True)


class DifferenceShape(serializers.Serializer[Any]):
    """`place` is the file and line that says otherwise."""

    title = serializers.CharField()
    words = serializers.CharField()
    place = serializers.CharField()


class DeclarationSerializer(serializers.ModelSerializer[Declaration]):
    """Where an agent is declared, what the file says, and where what is so differs."""

    declared_by = PrincipalRef(read_only=True)
    differences = DifferenceShape(many=True, read_only=True, default=[])

    class Meta:
        model = Declaration
        fields = [
            "repository", "path", "commit", "line", "lines", "body", "declared_by", "declared_at", "applied_at",
            "withdrawn_at", "differences",
        ]  # fmt: skip


class DeclarationView(APIView):
    """What a repository declares of an agent; 404 where none declares it."""

    permissions = {"GET": Permission.AGENTS_VIEW}

    @extend_schema(responses=DeclarationSerializer)
    def get(self, request: Request, agent_id: UUID) -> Response:
        declared = declared_of(agent_for(request, agent_id))
        if declared is None:
            raise NotFound("No repository declares this agent.")
        shown = DeclarationSerializer(declared.declaration).data
        differences = DifferenceShape(declared.differences, many=True).data
        return Response(shown | {"differences": differences})


class ApplyView(APIView):
    """Make the register say what a file declares, or show what that would change."""

    permissions = {"POST": Permission.AGENTS_DECLARE}

    @extend_schema(request=ApplyWrite, responses=ApplyAnswer)
    @idempotent
    def post(self, request: Request) -> Response:
        body = body_of(request, ApplyWrite)
        stated = [Stated(item["agent"], item.get("lines", {})) for item in body["items"]]
        place = Place(body["repository"], body["path"], body["commit"])
        results = apply_declarations(stated, place, dry_run=body["dry_run"], actor=actor_of(request))
        applied = not body["dry_run"] and not any(result.status == "failed" for result in results)
        shown = [_shown(result, applied) for result in results]
        return Response(ApplyAnswer({"applied": applied, "results": shown}).data)


def _shown(result: Result, applied: bool) -> dict[str, Any]:
    unmade = result.status == "failed" or (not applied and result.status == "created")
    return vars(result) | {"agent": None if unmade else result.agent}
