"""The discovery inbox over REST: scans report, curators decide."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.agents.api import discovery_serializers as shapes
from apps.agents.candidate_filters import CandidateFilter
from apps.agents.matching import Found
from apps.agents.models import Agent, Candidate
from apps.agents.queries.candidates import likely_matches
from apps.agents.services.candidate_decisions import (
    Verdict,
    adopt_candidate,
    decide_candidates,
    ignore_candidate,
    link_candidate,
)
from apps.agents.services.candidates import Origins, report_findings
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.roles import Permission
from apps.kit.rest.paging import CursorPage
from apps.kit.rest.reading import body_of


class CandidatePage(CursorPage):
    ordering = ("-confidence", "-id")


class DiscoveryViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Candidate]):
    """What was found in files and exports and looks like an agent."""

    serializer_class = shapes.CandidateSerializer
    filterset_class = CandidateFilter
    pagination_class = CandidatePage
    lookup_value_converter = "uuid"
    permissions = {
        "list": Permission.AGENTS_VIEW,
        "retrieve": Permission.AGENTS_VIEW,
        "create": Permission.DISCOVERIES_REPORT,
        "adopt": Permission.AGENTS_CURATE,
        "link": Permission.AGENTS_CURATE,
        "ignore": Permission.AGENTS_CURATE,
        "decide": Permission.AGENTS_CURATE,
    }
    queryset = Candidate.objects.none()

    def get_queryset(self) -> QuerySet[Candidate]:
        visible = Candidate.objects.visible_to(actor_of(self.request)).with_decisions()
        return visible.prefetch_related("evidence__reported_by")

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response(self._shaped(page, many=True))

    def retrieve(self, request: Request, pk: UUID) -> Response:
        return Response(self._shaped(self.get_object()))

    @extend_schema(request=shapes.ReportWrite, responses=shapes.ReportAnswer)
    @idempotent
    def create(self, request: Request) -> Response:
        """Report findings of one source, up to 1,000. Repeating a report is safe with and without an Idempotency-Key."""
        body = body_of(request, shapes.ReportWrite)
        origins = Origins(body["source_kind"], body["source"], body["team"])
        reported = report_findings(
            [Found(**finding) for finding in body["findings"]], origins, actor=actor_of(request)
        )
        return Response(shapes.ReportAnswer({"results": reported}).data)

    @extend_schema(request=None, responses=shapes.CandidateSerializer)
    @action(detail=True, methods=["post"], filterset_class=None)
    def adopt(self, request: Request, pk: UUID) -> Response:
        """Put it on record as a discovered agent; its adoption follows at /agents/{id}/adopt."""
        return self._decided(adopt_candidate(self.get_object(), actor=actor_of(request)))

    @extend_schema(request=shapes.LinkWrite, responses=shapes.CandidateSerializer)
    @action(detail=True, methods=["post"], filterset_class=None)
    def link(self, request: Request, pk: UUID) -> Response:
        """Say which agent it is."""
        candidate, body = self.get_object(), body_of(request, shapes.LinkWrite)
        agent = get_object_or_404(Agent.objects.visible_to(actor_of(request)), pk=body["agent"])
        return self._decided(link_candidate(candidate, agent, reason=body["reason"], actor=actor_of(request)))

    @extend_schema(request=shapes.IgnoreWrite, responses=shapes.CandidateSerializer)
    @action(detail=True, methods=["post"], filterset_class=None)
    def ignore(self, request: Request, pk: UUID) -> Response:
        """Leave it alone for some days, or until its evidence changes."""
        candidate, body = self.get_object(), body_of(request, shapes.IgnoreWrite)
        return self._decided(ignore_candidate(candidate, **body, actor=actor_of(request)))

    @extend_schema(request=shapes.DecideWrite, responses=shapes.DecideAnswer)
    @action(detail=False, methods=["post"], filterset_class=None, pagination_class=None)
    def decide(self, request: Request) -> Response:
        """The same decision for many, each by itself; what is not visible is left out of the answer."""
        actor, body = actor_of(request), body_of(request, shapes.DecideWrite)
        agents = Agent.objects.visible_to(actor)
        agent = get_object_or_404(agents, pk=body["agent"]) if body["agent"] else None
        chosen = list(Candidate.objects.visible_to(actor).filter(pk__in=body["ids"]))
        verdict = Verdict(body["act"], agent, body["reason"], body["days"])
        return Response(
            shapes.DecideAnswer({"results": decide_candidates(chosen, verdict, actor=actor)}).data
        )

    def _decided(self, candidate: Candidate) -> Response:
        shown = get_object_or_404(self.get_queryset(), pk=candidate.pk)
        return Response(self._shaped(shown))

    def _shaped(self, rows: Any, *, many: bool = False) -> Any:
        candidates = list(rows) if many else [rows]
        context = {
            "matches": likely_matches([one for one in candidates if one.is_waiting], actor_of(self.request))
        }
        return shapes.CandidateSerializer(rows, many=many, context=context).data
