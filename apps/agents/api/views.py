"""The registry over REST."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.agents.api import serializers as shapes
from apps.agents.columns import ordering_of, sortable
from apps.agents.filters import AgentFilter
from apps.agents.models import Agent
from apps.agents.search import search_agents
from apps.agents.services.registry import create_draft, edit_agent
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import LedgerEntrySerializer
from apps.identity.mentions import known_to, naming_strangers
from apps.identity.queries import timeline_of
from apps.identity.roles import Permission
from apps.kit.errors import InvalidInput
from apps.kit.rest.etags import check_if_match, etag_of
from apps.kit.rest.paging import CursorPage
from apps.kit.rest.reading import body_of


class AgentPage(CursorPage):
    """In the order that `?sort=` names; newest first otherwise."""

    ordering = ("-created_at", "id")

    def get_ordering(self, request: Request, queryset: QuerySet[Agent], view: object) -> tuple[str, ...]:
        sort = request.query_params.get("sort", "")
        return ordering_of(sort) if sort else self.ordering


class AgentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Agent]):
    """Every agent there is, planned, discovered, running or retired."""

    serializer_class = shapes.AgentSerializer
    filterset_class = AgentFilter
    pagination_class = AgentPage
    lookup_value_converter = "uuid"
    permissions = {
        "list": Permission.AGENTS_VIEW,
        "retrieve": Permission.AGENTS_VIEW,
        "evidence": Permission.AGENTS_VIEW,
        "timeline": Permission.AGENTS_VIEW,
        "create": Permission.AGENTS_CURATE,
        "partial_update": Permission.AGENTS_CURATE,
    }
    queryset = Agent.objects.none()

    def get_queryset(self) -> QuerySet[Agent]:
        agents = Agent.objects.visible_to(actor_of(self.request)).with_people()
        if self.action != "list":
            return agents
        return sortable(agents.on_record(), self.request.query_params.get("sort", "created"))

    def retrieve(self, request: Request, pk: UUID) -> Response:
        return self._answer(self.get_object())

    @extend_schema(request=shapes.DraftWrite, responses={201: shapes.AgentSerializer})
    @idempotent
    def create(self, request: Request) -> Response:
        """Register an agent before it runs; it starts as a draft."""
        body = body_of(request, shapes.DraftWrite)
        agent = create_draft(
            body["name"], team=body["team"], purpose=body["purpose"], actor=actor_of(request)
        )
        return self._answer(agent, status=201)

    @extend_schema(request=shapes.AgentWrite, responses=shapes.AgentSerializer)
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Change curated fields. Needs If-Match with the ETag that was read."""
        agent = self.get_object()
        check_if_match(request, agent, required=True)
        changes = body_of(request, shapes.AgentWrite, partial=True)
        return self._answer(edit_agent(agent, changes, version=agent.version, actor=actor_of(request)))

    @extend_schema(responses=shapes.EvidenceSerializer)
    @action(detail=True, filterset_class=None, pagination_class=None)
    def evidence(self, request: Request, pk: UUID) -> Response:
        """What telemetry showed: by which names, which tools, which models, first and last."""
        return Response(shapes.EvidenceSerializer(self.get_object()).data)

    @extend_schema(responses=LedgerEntrySerializer(many=True))
    @action(detail=True, filterset_class=None)
    def timeline(self, request: Request, pk: UUID) -> Response:
        """The ledger's entries about this agent, newest first."""
        agent = self.get_object()
        paginator = CursorPage()
        page = paginator.paginate_queryset(
            timeline_of("agent", agent.pk).select_related("leaf"), request, self
        )
        strangers = naming_strangers(page or [], known_to(actor_of(request)))
        rows = LedgerEntrySerializer(page or [], many=True, context={"strangers": strangers})
        return paginator.get_paginated_response(rows.data)

    def _answer(self, agent: Agent, status: int = 200) -> Response:
        response = Response(self.get_serializer(agent).data, status=status)
        response["ETag"] = etag_of(agent)
        return response


class AgentSearchView(APIView):
    """Find agents by what they do, in plain words."""

    permissions = {"GET": Permission.AGENTS_VIEW}

    @extend_schema(
        parameters=[OpenApiParameter("q", str, required=True), OpenApiParameter("limit", int)],
        responses=shapes.SearchAnswer,
    )
    def get(self, request: Request) -> Response:
        found = search_agents(
            request.query_params.get("q", ""),
            limit=_limit(request.query_params.get("limit", "20")),
            actor=actor_of(request),
        )
        return Response(shapes.SearchAnswer({"by": found.by, "results": found.hits}).data)


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise InvalidInput("Nothing was searched.", fields={"limit": "Enter a number from 1 to 100"})
    return int(text)
