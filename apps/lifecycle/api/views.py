"""Moves between states over REST."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.agents.api.scoped import agent_for
from apps.agents.api.serializers import AgentSerializer
from apps.agents.models import Agent
from apps.agents.services.registry import Adoption
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.kit.rest.etags import check_if_match, etag_of
from apps.kit.rest.reading import body_of
from apps.lifecycle.machine import MOVES
from apps.lifecycle.services.moves import Prospect, adopt, move_agent, prospects


def _people() -> QuerySet[Principal]:
    return Principal.objects.filter(kind=Principal.Kind.HUMAN)


class AdoptionWrite(serializers.Serializer[Adoption]):
    """What is stated when an agent is taken into the register. The four levels go from 1 to 4."""

    owner = serializers.PrimaryKeyRelatedField(queryset=_people())
    deputy = serializers.PrimaryKeyRelatedField(queryset=_people())
    purpose = serializers.CharField(max_length=4000)
    name = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    team = serializers.PrimaryKeyRelatedField(
        queryset=Team.objects.all(), required=False, allow_null=True, default=None
    )
    data_sensitivity = serializers.IntegerField(min_value=1, max_value=4)
    decision_authority = serializers.IntegerField(min_value=1, max_value=4)
    blast_radius = serializers.IntegerField(min_value=1, max_value=4)
    regulatory_exposure = serializers.IntegerField(min_value=1, max_value=4)


class MoveWrite(serializers.Serializer[object]):
    move = serializers.ChoiceField([move.name for move in MOVES])
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class GateSerializer(serializers.Serializer[object]):
    gate = serializers.CharField()
    title = serializers.CharField()
    outcome = serializers.ChoiceField(["pass", "fail", "not_applicable"])
    words = serializers.CharField()


class ProspectSerializer(serializers.Serializer[Prospect]):
    """A move that could be made now: `open` when every gate lets it, `permitted` when you may."""

    move = serializers.CharField(source="move.name")
    label = serializers.CharField(source="move.label")  # type: ignore[assignment]  # a field, not Field.label
    target = serializers.CharField(source="move.target")
    meaning = serializers.CharField(source="move.meaning")
    needs_reason = serializers.BooleanField(source="move.needs_reason")
    open = serializers.BooleanField()
    permitted = serializers.BooleanField()
    gates = GateSerializer(many=True)


class AdoptView(APIView):
    """Take a discovered agent into the register."""

    permissions = {"POST": Permission.AGENTS_CURATE}

    @extend_schema(request=AdoptionWrite, responses=AgentSerializer)
    @idempotent
    def post(self, request: Request, agent_id: UUID) -> Response:
        agent = agent_for(request, agent_id)
        version = check_if_match(request, agent, required=False)
        adoption = Adoption(**body_of(request, AdoptionWrite))
        return _agent(adopt(agent, adoption, version=version, actor=actor_of(request)))


class TransitionsView(APIView):
    """The moves an agent can make, and making one."""

    permissions = {"GET": Permission.AGENTS_VIEW, "POST": Permission.LIFECYCLE_MOVE}

    @extend_schema(responses=ProspectSerializer(many=True))
    def get(self, request: Request, agent_id: UUID) -> Response:
        agent = agent_for(request, agent_id)
        return Response([ProspectSerializer(one).data for one in prospects(agent, actor=actor_of(request))])

    @extend_schema(request=MoveWrite, responses=AgentSerializer)
    @idempotent
    def post(self, request: Request, agent_id: UUID) -> Response:
        agent = agent_for(request, agent_id)
        version = check_if_match(request, agent, required=False)
        body, actor = body_of(request, MoveWrite), actor_of(request)
        return _agent(move_agent(agent, body["move"], reason=body["reason"], version=version, actor=actor))


def _agent(agent: Agent) -> Response:
    response = Response(AgentSerializer(agent).data)
    response["ETag"] = etag_of(agent)
    return response
