"""What other registers read of agents, and the connectors that tell them, over REST."""

from __future__ import annotations

from hashlib import sha256
from typing import Any
from uuid import UUID

import yaml
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.agents.api.serializers import AgentRef
from apps.agents.backstage import entities
from apps.agents.models import Connector, PushedItem
from apps.agents.queries.outward import connectors_visible_to, shown_agents
from apps.agents.services import connectors as services
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import PrincipalRef, ReasonWrite, TeamRef
from apps.identity.models import Team
from apps.identity.roles import Permission
from apps.kit.rest.paging import CursorPage
from apps.kit.rest.reading import body_of

DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class BackstageView(APIView):
    """Every agent the key sees as entities of a Backstage catalogue: a YAML stream that a location may read."""

    permissions = {"GET": Permission.AGENTS_VIEW}

    @extend_schema(responses={(200, "application/yaml"): OpenApiResponse(OpenApiTypes.STR)})
    def get(self, request: Request) -> HttpResponse:
        documents = entities(shown_agents(actor_of(request)))
        text = yaml.dump_all(
            documents, Dumper=DUMPER, allow_unicode=True, sort_keys=False, explicit_start=True, width=120
        )
        etag = f'"{sha256(text.encode()).hexdigest()[:32]}"'
        if request.headers.get("If-None-Match") == etag:
            return HttpResponse(status=304, headers={"ETag": etag})
        return HttpResponse(text, content_type="application/yaml; charset=utf-8", headers={"ETag": etag})


class ConnectorSerializer(serializers.ModelSerializer[Connector]):
    """Never with its secret. `run_error` says why the last push failed, `retry_at` when it is tried again."""

    team = TeamRef(read_only=True, allow_null=True)
    created_by = PrincipalRef(read_only=True)

    class Meta:
        model = Connector
        fields = [
            "id", "name", "url", "username", "class_name", "data_source", "team", "is_enabled", "created_by",
            "created_at", "run_at", "run_error", "retry_at",
        ]  # fmt: skip


class ConnectorWrite(serializers.Serializer[Any]):
    """`secret` is the password beside `username`, or a token without; it is never given back."""

    name = serializers.CharField(max_length=120)
    url = serializers.URLField(max_length=300)
    secret = serializers.CharField(
        max_length=2000, required=False, allow_blank=True, default="", write_only=True
    )
    username = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")
    class_name = serializers.CharField(max_length=80, required=False, default="cmdb_ci_business_app")
    data_source = serializers.CharField(max_length=80, required=False, default="Chancery")
    team = serializers.PrimaryKeyRelatedField(
        queryset=Team.objects.all(), required=False, allow_null=True, default=None
    )
    is_enabled = serializers.BooleanField(required=False, default=True)


class PushedItemSerializer(serializers.ModelSerializer[PushedItem]):
    agent = AgentRef(read_only=True)

    class Meta:
        model = PushedItem
        fields = ["id", "agent", "state", "operation", "sys_id", "error", "pushed_at"]


class ToldRef(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    ref = serializers.CharField()
    name = serializers.CharField()


class PushPreviewSerializer(serializers.Serializer[Any]):
    """`body` is the first request as it would go out."""

    new = ToldRef(many=True)
    changed = ToldRef(many=True)
    unchanged = serializers.IntegerField()
    body = serializers.DictField()


class ByName(CursorPage):
    ordering = ("name", "id")


class ConnectorViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Connector]):
    """ServiceNow instances that are told of agents."""

    serializer_class = ConnectorSerializer
    pagination_class = ByName
    lookup_value_converter = "uuid"
    permissions = dict.fromkeys(
        ("list", "retrieve", "preview", "pushed"), Permission.OUTGOING_VIEW
    ) | dict.fromkeys(("create", "partial_update", "destroy", "push"), Permission.OUTGOING_MANAGE)
    queryset = Connector.objects.none()

    def get_queryset(self) -> QuerySet[Connector]:
        return connectors_visible_to(actor_of(self.request))

    @extend_schema(request=ConnectorWrite, responses={201: ConnectorSerializer})
    def create(self, request: Request) -> Response:
        """Not replayed for an Idempotency-Key: a fingerprint of the request would be one of its secret."""
        draft = services.ConnectorDraft(**body_of(request, ConnectorWrite))
        return self._answer(services.create_connector(draft, actor=actor_of(request)), 201)

    @extend_schema(request=ConnectorWrite, responses=ConnectorSerializer)
    def partial_update(self, request: Request, pk: UUID) -> Response:
        connector = self.get_object()
        known = {name: getattr(connector, name) for name in services.PLAIN}
        draft = services.ConnectorDraft(**known | body_of(request, ConnectorWrite, partial=True))
        return self._answer(services.edit_connector(connector, draft, actor=actor_of(request)))

    @extend_schema(request=ReasonWrite, responses={204: None})
    def destroy(self, request: Request, pk: UUID) -> Response:
        services.remove_connector(self.get_object(), actor=actor_of(request), **body_of(request, ReasonWrite))
        return Response(status=204)

    @extend_schema(responses=PushPreviewSerializer)
    @action(detail=True, pagination_class=None)
    def preview(self, request: Request, pk: UUID) -> Response:
        """What a push of every agent would say; nothing is sent."""
        found = services.preview_push(self.get_object(), actor=actor_of(request))
        return Response(PushPreviewSerializer(found).data)

    @extend_schema(request=None, responses={202: ConnectorSerializer})
    @action(detail=True, methods=["post"])
    @idempotent
    def push(self, request: Request, pk: UUID) -> Response:
        """Compare every agent and send what differs, within a minute."""
        return self._answer(services.request_push(self.get_object(), actor=actor_of(request)), 202)

    @extend_schema(responses=PushedItemSerializer(many=True))
    @action(detail=True, url_path="items")
    def pushed(self, request: Request, pk: UUID) -> Response:
        """What became of each agent, by when it was last sent."""
        paginator = CursorPage()
        rows = self.get_object().items.select_related("agent")
        page = paginator.paginate_queryset(rows, request, self)
        return paginator.get_paginated_response(PushedItemSerializer(page, many=True).data)

    def _answer(self, connector: Connector, status: int = 200) -> Response:
        return Response(self.get_serializer(connector).data, status=status)
