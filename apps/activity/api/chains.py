"""Decision chains over REST: the runs there are, and one run with its graph and its ranking."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from apps.activity.chains.keeping import Judged, judged_run
from apps.activity.chains.listing import LENGTHS, ORDER, STATES, chosen_runs
from apps.activity.chains.steps import Edge, Step
from apps.identity.api.actor import actor_of
from apps.identity.roles import Permission
from apps.kit.rest.paging import CursorPage


class RunSerializer(serializers.Serializer[Any]):
    """A run by its figures, counted over the newest 50,000 calls you may see."""

    conversation_id = serializers.CharField()
    calls = serializers.IntegerField()
    failures = serializers.IntegerField()
    violations = serializers.IntegerField()
    anomalies = serializers.IntegerField()
    agents = serializers.IntegerField()
    first = serializers.DateTimeField()
    last = serializers.DateTimeField()


class ChainStepSerializer(serializers.Serializer[Step]):
    """A step. One of another team's agent is hidden: it has its place and its time only."""

    kind = serializers.CharField()
    agent = serializers.CharField()
    agent_id = serializers.UUIDField(allow_null=True)
    title = serializers.CharField()
    started_at = serializers.DateTimeField()
    duration_ms = serializers.FloatField(allow_null=True)
    given = serializers.JSONField(allow_null=True)
    produced = serializers.JSONField(allow_null=True)
    said = serializers.CharField()
    error = serializers.CharField()
    status = serializers.CharField()
    outcome = serializers.CharField()
    reason = serializers.CharField()
    is_hidden = serializers.BooleanField()
    foreign = serializers.CharField(
        help_text="The team of its agent, where that is not the run's own; else ''."
    )


class ChainEdgeSerializer(serializers.Serializer[Edge]):
    """From one step to a later one, by their numbers from 1. Of a flow: which value, and how it was matched."""

    kind = serializers.CharField()
    from_step = serializers.IntegerField(source="source_number")
    to_step = serializers.IntegerField(source="target_number")
    words = serializers.CharField()
    how = serializers.CharField()
    value = serializers.CharField()
    from_path = serializers.CharField(source="source_path")
    to_path = serializers.CharField(source="target_path")


class SuspectSerializer(serializers.Serializer[Any]):
    """A step by suspicion; `step` counts from 1."""

    step = serializers.IntegerField()
    agent = serializers.CharField()
    probability = serializers.FloatField()
    reasons = serializers.ListField(child=serializers.CharField())


class ChainSerializer(serializers.Serializer[Any]):
    """A run. `abstains`: the ranking is too flat to name a step. `clock_shifts_s`: how far clocks were moved."""

    conversation_id = serializers.CharField()
    request = serializers.CharField()
    is_cut = serializers.BooleanField()
    has_failed = serializers.BooleanField()
    abstains = serializers.BooleanField()
    suspects = SuspectSerializer(many=True)
    clock_shifts_s = serializers.ListField(child=serializers.FloatField())
    steps = ChainStepSerializer(many=True)
    edges = ChainEdgeSerializer(many=True)


MOST_SUSPECTS = 20


def shape_of(judged: Judged) -> dict[str, Any]:
    """A run as the serializer reads it."""
    run, ranking = judged.run, judged.ranking
    return {
        "conversation_id": run.conversation,
        "request": run.request,
        "is_cut": run.is_cut,
        "has_failed": judged.has_failed,
        "abstains": ranking.abstains,
        "suspects": [
            {"step": one.at + 1, "agent": one.agent, "probability": round(one.probability, 4), "reasons": one.reasons}
            for one in ranking.suspects[:MOST_SUSPECTS]
        ],
        "clock_shifts_s": sorted(run.chain.shifts.values()),
        "steps": run.steps,
        "edges": run.chain.edges,
    }  # fmt: skip


class ChainViewSet(viewsets.ViewSet):
    """Runs of agents: steps in causal order over traces and services, and what led to what."""

    lookup_field = "conversation"
    lookup_value_converter = "path"
    permissions = {"list": Permission.ACTIVITY_VIEW, "retrieve": Permission.ACTIVITY_VIEW}

    @extend_schema(
        parameters=[
            OpenApiParameter("agent", OpenApiTypes.UUID, description="Runs this agent took part in."),
            OpenApiParameter("with", OpenApiTypes.STR, enum=list(STATES), many=True),
            OpenApiParameter("length", OpenApiTypes.STR, enum=list(LENGTHS)),
            OpenApiParameter("cursor", OpenApiTypes.STR),
            OpenApiParameter("limit", OpenApiTypes.INT),
        ],
        responses=RunSerializer(many=True),
    )
    def list(self, request: Request) -> Response:
        """Runs, newest first."""
        pages = CursorPage()
        pages.ordering = ORDER
        rows = pages.paginate_queryset(chosen_runs(request.query_params, actor=actor_of(request)), request)
        return pages.get_paginated_response(RunSerializer(rows, many=True).data)

    @extend_schema(
        parameters=[OpenApiParameter("conversation", OpenApiTypes.STR, OpenApiParameter.PATH)],
        responses=ChainSerializer,
    )
    def retrieve(self, request: Request, conversation: str) -> Response:
        """One run with its steps, edges and suspects."""
        judged = judged_run(conversation, actor=actor_of(request))
        return Response(ChainSerializer(shape_of(judged)).data)
