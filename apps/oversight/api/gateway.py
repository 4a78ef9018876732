"""What a running gateway asks and tells: its configuration, what it saw of servers, whom it may let in."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.agents.api.serializers import AgentRef
from apps.agents.models import Agent
from apps.identity.api.actor import actor_of
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.kit.errors import InvalidInput
from apps.kit.rest.reading import body_of
from apps.oversight.carrying import admit, configuration_of, configuration_version, tools_by_upstream
from apps.oversight.models import McpUpstream
from apps.oversight.services.definitions import MOST_TOOLS, note_failure, note_sighting


class SightingWrite(serializers.Serializer[Any]):
    """`tools` as the server listed them, or `error`: why it did not."""

    upstream = serializers.SlugField(max_length=60)
    tools = serializers.ListField(child=serializers.JSONField(), required=False, max_length=MOST_TOOLS)
    error = serializers.CharField(max_length=1000, required=False, allow_blank=True, default="")


class AdmissionWrite(serializers.Serializer[Any]):
    """`agent` may be left out by an agent's own key. `tools`: which of these it may call is answered."""

    upstream = serializers.SlugField(max_length=60)
    agent = serializers.CharField(max_length=80, required=False)
    tools = serializers.ListField(
        child=serializers.CharField(max_length=255), required=False, max_length=MOST_TOOLS, default=list
    )


class ObjectionAnswer(serializers.Serializer[Any]):
    code = serializers.CharField()
    reason = serializers.CharField()


class AdmissionAnswer(serializers.Serializer[Any]):
    """`objection`: why the agent may do nothing at all now; null while it may."""

    agent = AgentRef()
    tools = serializers.ListField(child=serializers.CharField())
    objection = ObjectionAnswer(allow_null=True)


class ConfigurationView(APIView):
    """The servers of a gateway, with the secrets that it carries to them. With If-None-Match it costs next to nothing."""

    permissions = {"GET": Permission.GATEWAY_RUN}

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        gateway = actor_of(request)
        version = f'"{configuration_version(gateway)}"'
        headers = {"ETag": version, "Cache-Control": "no-store"}
        if request.headers.get("If-None-Match") == version:
            return Response(status=304, headers=headers)
        return Response({"upstreams": configuration_of(gateway)}, headers=headers)


class SightingView(APIView):
    """What a gateway saw of a server. The answer says what is in force and what is held back."""

    permissions = {"POST": Permission.GATEWAY_RUN}

    @extend_schema(request=SightingWrite, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request) -> Response:
        body, gateway = body_of(request, SightingWrite), actor_of(request)
        upstream = get_object_or_404(McpUpstream.objects.served_by(gateway), slug=body["upstream"])
        tools = body.get("tools")
        if tools is None:
            note_failure(upstream, body["error"] or "No answer.", actor=gateway)
        elif all(isinstance(tool, dict) for tool in tools):
            note_sighting(upstream, tools, actor=gateway)
        else:
            raise InvalidInput("The sighting was not noted.", fields={"tools": "Each tool is an object"})
        return Response({"tools": tools_by_upstream([upstream])[upstream.pk]})


class AdmissionView(APIView):
    """Who a key is at a server, and which of its tools may be called now. Nothing is decided on any one call."""

    permissions = {"POST": Permission.DECISIONS_ASK}

    @extend_schema(request=AdmissionWrite, responses=AdmissionAnswer)
    def post(self, request: Request) -> Response:
        body, actor = body_of(request, AdmissionWrite), actor_of(request)
        agent = _agent_asking(actor, body.get("agent"))
        upstream = get_object_or_404(McpUpstream, slug=body["upstream"], is_enabled=True)
        return Response(AdmissionAnswer(admit(upstream, agent, body["tools"], actor=actor)).data)


def _agent_asking(actor: Principal, name: str | None) -> Agent:
    visible = Agent.objects.visible_to(actor, Permission.DECISIONS_ASK)
    if name is None:
        if actor.kind != Principal.Kind.AGENT:
            raise InvalidInput("Nobody was named.", fields={"agent": "Name the agent that calls"})
        return get_object_or_404(visible, principal=actor)
    return get_object_or_404(visible.called(name))
