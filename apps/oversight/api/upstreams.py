"""MCP servers behind the gateway, and the definitions of their tools, over REST."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import PrincipalRef, ReasonWrite, TeamRef
from apps.identity.models import Team
from apps.identity.roles import Permission
from apps.kit.rest.etags import check_if_match, etag_of
from apps.kit.rest.paging import CursorPage
from apps.kit.rest.reading import body_of
from apps.oversight.models import McpUpstream, ToolDefinition
from apps.oversight.services import definitions
from apps.oversight.services import upstreams as services

WRITES = ("create", "partial_update", "destroy", "enable", "disable")


class UpstreamSerializer(serializers.ModelSerializer[McpUpstream]):
    """`last_seen_at` is when a gateway last heard its tools; a secret is never shown again, only whether there is one."""

    team = TeamRef(read_only=True, allow_null=True)
    created_by = PrincipalRef(read_only=True)
    has_secret = serializers.SerializerMethodField()

    class Meta:
        model = McpUpstream
        fields = [
            "id", "slug", "name", "team", "url", "command", "auth", "has_secret", "secret_variable", "client_id", "token_url",
            "oauth_scope", "deadline_s", "most_at_once", "is_enabled", "version", "last_seen_at", "last_error",
            "last_error_at", "created_by", "created_at",
        ]  # fmt: skip

    def get_has_secret(self, upstream: McpUpstream) -> bool:
        return bool(upstream.secret)


class UpstreamChange(serializers.Serializer[Any]):
    """`url`, or `command` with its arguments. `secret` is a bearer token, an OAuth client's secret, or what `secret_variable`
    of a command holds; '' keeps the stored one."""

    name = serializers.CharField(max_length=120)
    team = serializers.PrimaryKeyRelatedField(
        queryset=Team.objects.all(), required=False, allow_null=True, default=None
    )
    url = serializers.URLField(max_length=500, required=False, allow_blank=True, default="")
    command = serializers.ListField(
        child=serializers.CharField(max_length=500), required=False, max_length=50, default=list
    )
    auth = serializers.ChoiceField(McpUpstream.Auth.choices, required=False, default=McpUpstream.Auth.NONE)
    secret = serializers.CharField(
        max_length=4000, required=False, allow_blank=True, default="", write_only=True
    )
    secret_variable = serializers.CharField(max_length=60, required=False, allow_blank=True, default="")
    client_id = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    token_url = serializers.URLField(max_length=500, required=False, allow_blank=True, default="")
    oauth_scope = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")
    deadline_s = serializers.IntegerField(required=False, default=30)
    most_at_once = serializers.IntegerField(required=False, default=32)


class UpstreamWrite(UpstreamChange):
    """A new one. `slug` is its name in addresses and policies, and stays."""

    slug = serializers.CharField(max_length=60)


class DefinitionSerializer(serializers.ModelSerializer[ToolDefinition]):
    """One definition that the server gave. `reasons`: what differed from the one in force, or is hidden in it."""

    tool = serializers.CharField(source="tool.name")
    reviewed_by = PrincipalRef(read_only=True, allow_null=True)

    class Meta:
        model = ToolDefinition
        fields = [
            "id", "tool", "digest", "definition", "reasons", "state", "first_seen_at", "last_seen_at", "reviewed_by",
            "reviewed_at", "review_reason",
        ]  # fmt: skip


class ByName(CursorPage):
    ordering = ("name", "id")


class McpUpstreamViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[McpUpstream]
):
    """MCP servers that agents reach through the gateway."""

    serializer_class = UpstreamSerializer
    pagination_class = ByName
    lookup_value_converter = "uuid"
    permissions = (
        dict.fromkeys(("list", "retrieve", "definitions"), Permission.AGENTS_VIEW)
        | dict.fromkeys(WRITES, Permission.OUTGOING_MANAGE)
        | dict.fromkeys(("approve", "refuse"), Permission.POLICY_EDIT)
    )
    queryset = McpUpstream.objects.none()

    def get_queryset(self) -> QuerySet[McpUpstream]:
        return McpUpstream.objects.visible_to(actor_of(self.request)).select_related("team", "created_by")

    def retrieve(self, request: Request, pk: UUID) -> Response:
        return self._answer(self.get_object())

    @extend_schema(request=UpstreamWrite, responses={201: UpstreamSerializer})
    def create(self, request: Request) -> Response:
        draft = services.UpstreamDraft(**body_of(request, UpstreamWrite))
        return self._answer(services.create_upstream(draft, actor=actor_of(request)), 201)

    @extend_schema(request=UpstreamChange, responses=UpstreamSerializer)
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Needs If-Match with the ETag that was read. A changed address or command asks for the secret again."""
        upstream = self.get_object()
        version = check_if_match(request, upstream, required=True)
        kept = {
            name: getattr(upstream, name) for name in ("slug", *UpstreamChange().fields.keys() - {"secret"})
        }
        draft = services.UpstreamDraft(**kept | body_of(request, UpstreamChange, partial=True))
        return self._answer(services.edit_upstream(upstream, draft, actor=actor_of(request), version=version))

    @extend_schema(request=ReasonWrite, responses={204: None})
    def destroy(self, request: Request, pk: UUID) -> Response:
        """The definitions of its tools go with it."""
        services.remove_upstream(self.get_object(), actor=actor_of(request), **body_of(request, ReasonWrite))
        return Response(status=204)

    @extend_schema(request=None, responses=UpstreamSerializer)
    @action(detail=True, methods=["post"])
    @idempotent
    def enable(self, request: Request, pk: UUID) -> Response:
        return self._answer(services.enable_upstream(self.get_object(), actor=actor_of(request)))

    @extend_schema(request=ReasonWrite, responses=UpstreamSerializer)
    @action(detail=True, methods=["post"])
    @idempotent
    def disable(self, request: Request, pk: UUID) -> Response:
        """Within a second the gateway carries nothing to it."""
        body = body_of(request, ReasonWrite)
        return self._answer(services.disable_upstream(self.get_object(), actor=actor_of(request), **body))

    @extend_schema(responses=DefinitionSerializer(many=True))
    @action(detail=True)
    def definitions(self, request: Request, pk: UUID) -> Response:
        """Every definition it gave of its tools, newest first."""
        rows = self.get_object().definitions.select_related("tool", "reviewed_by")
        paginator = CursorPage()
        page = paginator.paginate_queryset(rows, request, self)
        return paginator.get_paginated_response(DefinitionSerializer(page, many=True).data)

    @extend_schema(request=ReasonWrite, responses=DefinitionSerializer)
    @action(detail=True, methods=["post"], url_path="definitions/<uuid:definition_id>/approve")
    @idempotent
    def approve(self, request: Request, pk: UUID, definition_id: UUID) -> Response:
        """Let the tool be offered with this definition."""
        return self._judge(request, definition_id, definitions.approve_definition)

    @extend_schema(request=ReasonWrite, responses=DefinitionSerializer)
    @action(detail=True, methods=["post"], url_path="definitions/<uuid:definition_id>/refuse")
    @idempotent
    def refuse(self, request: Request, pk: UUID, definition_id: UUID) -> Response:
        """Keep the tool held back for as long as the server offers it so."""
        return self._judge(request, definition_id, definitions.refuse_definition)

    def _judge(self, request: Request, definition_id: UUID, judge: Any) -> Response:
        held = get_object_or_404(self.get_object().definitions, pk=definition_id)
        judged = judge(held, actor=actor_of(request), **body_of(request, ReasonWrite))
        return Response(DefinitionSerializer(judged).data)

    def _answer(self, upstream: McpUpstream, status: int = 200) -> Response:
        return Response(
            self.get_serializer(upstream).data, status=status, headers={"ETag": etag_of(upstream)}
        )
