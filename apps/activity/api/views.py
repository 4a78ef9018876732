"""Tool calls over REST."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request

from apps.activity.api.effects import EffectShape
from apps.activity.api.stream import EventStream, stream_of
from apps.activity.effects.queries import effect_of
from apps.activity.filters import CallFilter
from apps.activity.models import ToolCall
from apps.agents.api.serializers import AgentRef
from apps.identity.api.actor import actor_of
from apps.identity.roles import Permission


class ToolCallSerializer(serializers.ModelSerializer[ToolCall]):
    """A tool call as it is known now. `position` grows with every change: ask `?after=` to go on."""

    agent = AgentRef(read_only=True, allow_null=True)
    tool = serializers.CharField(source="tool_name")

    class Meta:
        model = ToolCall
        fields = [
            "id", "position", "agent", "tool", "mcp_server", "call_id", "conversation_id", "service_name",
            "agent_name", "started_at", "ended_at", "duration_ms", "arguments", "result", "status", "error_type",
            "error_message", "request_model", "response_model", "outcome", "outcome_code", "outcome_reason",
            "judged_at", "sources", "effect",
        ]  # fmt: skip


class ToolCallDetailSerializer(ToolCallSerializer):
    """One call, with what was found of whether it happened; null where nothing is declared of its tool."""

    read_back = serializers.SerializerMethodField()

    class Meta(ToolCallSerializer.Meta):
        fields = [*ToolCallSerializer.Meta.fields, "read_back"]

    @extend_schema_field(EffectShape(allow_null=True))
    def get_read_back(self, call: ToolCall) -> Any:
        found = effect_of(call, actor=actor_of(self.context["request"]))
        return EffectShape(found).data if found is not None else None


class ToolCallViewSet(viewsets.ReadOnlyModelViewSet[ToolCall]):
    """Every tool call of the agents you may see, newest first."""

    serializer_class = ToolCallSerializer
    filterset_class = CallFilter
    lookup_value_converter = "uuid"
    permissions = {
        "list": Permission.ACTIVITY_VIEW,
        "retrieve": Permission.ACTIVITY_VIEW,
        "stream": Permission.ACTIVITY_VIEW,
    }
    queryset = ToolCall.objects.none()

    def get_queryset(self) -> QuerySet[ToolCall]:
        return ToolCall.objects.visible_to(actor_of(self.request)).select_related("agent")

    def get_serializer_class(self) -> type[ToolCallSerializer]:
        return ToolCallDetailSerializer if self.action == "retrieve" else ToolCallSerializer

    @extend_schema(
        parameters=[OpenApiParameter("Last-Event-ID", OpenApiTypes.INT, OpenApiParameter.HEADER)],
        responses={
            (200, "text/event-stream"): OpenApiResponse(
                OpenApiTypes.STR, "`call` with a call, `folded` with a count, `gap` when too much was missed."
            )
        },
    )
    @action(detail=False, renderer_classes=[EventStream], pagination_class=None)
    def stream(self, request: Request) -> StreamingHttpResponse:
        """Calls as they come, as server-sent events, with the filters of the list. `id` is the position."""
        return stream_of(request, actor_of(request))
