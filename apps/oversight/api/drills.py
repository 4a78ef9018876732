"""Drills over REST."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.agents.api.scoped import agent_for
from apps.agents.api.serializers import AgentRef
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import PrincipalRef
from apps.identity.roles import Permission
from apps.kit.rest.reading import body_of
from apps.oversight.models import Drill
from apps.oversight.services.drills import start_drill


class DrillResult(serializers.Serializer[object]):
    """`delay_s` null: no answer came."""

    point = serializers.CharField()
    kind = serializers.CharField()
    of = serializers.CharField()
    delay_s = serializers.FloatField(allow_null=True)
    in_time = serializers.BooleanField()


class DrillSerializer(serializers.ModelSerializer[Drill]):
    """`passed` null: it goes on."""

    agent = AgentRef(read_only=True)
    started_by = PrincipalRef(read_only=True)
    results = DrillResult(many=True, read_only=True)

    class Meta:
        model = Drill
        fields = [
            "id", "agent", "state", "reason", "limit_s", "started_at", "started_by", "finished_at", "passed", "results",
        ]  # fmt: skip


class DrillWrite(serializers.Serializer[Drill]):
    """`limit_s`: within which every point has to answer."""

    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")
    limit_s = serializers.FloatField(required=False, default=1.0)


class DrillStartView(APIView):
    """Try the stop of an agent without stopping it."""

    permissions = {"POST": Permission.DRILLS_START}

    @extend_schema(request=DrillWrite, responses={201: DrillSerializer})
    @idempotent
    def post(self, request: Request, agent_id: UUID) -> Response:
        agent = agent_for(request, agent_id)
        drill = start_drill(agent, **body_of(request, DrillWrite), actor=actor_of(request))
        return Response(DrillSerializer(drill).data, status=201)


class DrillViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Drill]):
    """Drills with their results, newest first."""

    serializer_class = DrillSerializer
    filterset_fields = ["agent", "passed"]
    permissions = {"list": Permission.AGENTS_VIEW, "retrieve": Permission.AGENTS_VIEW}
    queryset = Drill.objects.none()

    def get_queryset(self) -> QuerySet[Drill]:
        return Drill.objects.visible_to(actor_of(self.request)).select_related("agent", "started_by")
