"""Tool calls over REST."""

from __future__ import annotations

from django.db.models import QuerySet
from rest_framework import serializers, viewsets

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
            "judged_at", "sources",
        ]  # fmt: skip


class ToolCallViewSet(viewsets.ReadOnlyModelViewSet[ToolCall]):
    """Every tool call of the agents you may see, newest first."""

    serializer_class = ToolCallSerializer
    filterset_class = CallFilter
    lookup_value_converter = "uuid"
    permissions = {"list": Permission.ACTIVITY_VIEW, "retrieve": Permission.ACTIVITY_VIEW}
    queryset = ToolCall.objects.none()

    def get_queryset(self) -> QuerySet[ToolCall]:
        return ToolCall.objects.visible_to(actor_of(self.request)).select_related("agent")
