"""The breaker over REST: stops, resets by one or two, reviews, what goes along, and the limits it trips at."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.agents.api.scoped import agent_for
from apps.agents.api.serializers import AgentRef
from apps.agents.models import Agent
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import PrincipalRef, ReasonWrite
from apps.identity.roles import Permission
from apps.kit.rest.reading import body_of
from apps.oversight.containment import Containment, containment_of
from apps.oversight.excesses import limits_for
from apps.oversight.limits import Limit
from apps.oversight.models import BreakerTrip
from apps.oversight.services.breaker import review_trip, take_along, trip_breaker
from apps.oversight.services.resets import confirm_reset, decline_reset, reset_breaker


class TripSerializer(serializers.ModelSerializer[BreakerTrip]):
    """`cause`: person, violations, anomalies, denials, errors, spend, outcomes or trial. `reset_requested_at` with `reset_at` null: a second administrator has to confirm. `trial_until` with
    `trial_ended_at` null: on trial."""

    cause = serializers.CharField(read_only=True)
    tripped_by = PrincipalRef(read_only=True)
    reset_by = PrincipalRef(read_only=True, allow_null=True)
    reset_requested_by = PrincipalRef(read_only=True, allow_null=True)
    reviewed_by = PrincipalRef(read_only=True, allow_null=True)

    class Meta:
        model = BreakerTrip
        fields = [
            "id", "cause", "reason", "violations", "threshold", "window_s", "call_ids", "evidence", "tripped_at",
            "tripped_by", "reviewed_at", "reviewed_by", "review", "reset_requested_at", "reset_requested_by", "reset_at",
            "reset_by", "reset_reason", "corrective_action", "trial_calls", "trial_until", "trial_ended_at",
        ]  # fmt: skip


class LimitSerializer(serializers.Serializer[Limit]):
    """`source`: agent, tier, fleet, or chancery where nobody chose."""

    cause = serializers.CharField()
    is_on = serializers.BooleanField()
    threshold = serializers.IntegerField()
    window_s = serializers.SerializerMethodField()
    share_percent = serializers.IntegerField(allow_null=True)
    source = serializers.CharField()  # type: ignore[assignment]  # a field, not Field.source

    def get_window_s(self, limit: Limit) -> int:
        return int(limit.window.total_seconds())


class BreakerAnswer(serializers.Serializer[object]):
    """`state` is armed, tripped or on_trial; `trips` the last 20, newest first; `limits` those that hold now."""

    state = serializers.CharField()
    trips = TripSerializer(many=True)
    limits = LimitSerializer(many=True)


class AnswerOfPoint(serializers.Serializer[object]):
    """`delay_s` null: it has not answered; `is_alive` false: its lease has run out."""

    point = serializers.CharField()
    kind = serializers.CharField()
    principal = serializers.CharField()
    delay_s = serializers.FloatField(allow_null=True)
    is_alive = serializers.BooleanField()
    came_later = serializers.BooleanField()
    last_seen_at = serializers.DateTimeField()


class ContainmentSerializer(serializers.Serializer[Containment]):
    """`is_contained`: every point that is alive has answered; `silent` names those that have not."""

    seq = serializers.IntegerField(allow_null=True)
    kind = serializers.CharField()
    at = serializers.DateTimeField()
    is_contained = serializers.BooleanField()
    contained_after_s = serializers.FloatField(allow_null=True)
    silent = serializers.ListField(child=serializers.CharField())
    answers = AnswerOfPoint(many=True)


class TripDetail(TripSerializer):
    """A stop with what every enforcement point answered."""

    agent = AgentRef(read_only=True)
    containment = serializers.SerializerMethodField()

    class Meta(TripSerializer.Meta):
        fields = ["agent", *TripSerializer.Meta.fields, "containment"]

    @extend_schema_field(ContainmentSerializer(allow_null=True))
    def get_containment(self, trip: BreakerTrip) -> object:
        order = trip.orders.filter(kind="stop").first()
        return ContainmentSerializer(containment_of(order)).data if order is not None else None


class ResetWrite(serializers.Serializer[object]):
    """Why it may act again, and what was changed so that it does not happen again."""

    reason = serializers.CharField(max_length=2000)
    corrective_action = serializers.CharField(max_length=300)


class ReviewWrite(serializers.Serializer[object]):
    review = serializers.CharField(max_length=2000)


class TakeAlongWrite(serializers.Serializer[object]):
    """Agents that are stopped with it."""

    agents = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=200)
    reason = serializers.CharField(max_length=2000)


class BreakerView(APIView):
    """Whether an agent is stopped, why it was, and when it would be."""

    permissions = {"GET": Permission.AGENTS_VIEW}

    @extend_schema(responses=BreakerAnswer)
    def get(self, request: Request, agent_id: UUID) -> Response:
        return _breaker(agent_for(request, agent_id))


class BreakerTripView(APIView):
    """Stop an agent."""

    permissions = {"POST": Permission.BREAKER_TRIP}

    @extend_schema(request=ReasonWrite, responses=BreakerAnswer)
    @idempotent
    def post(self, request: Request, agent_id: UUID) -> Response:
        return _done(request, agent_id, ReasonWrite, trip_breaker)


class BreakerResetView(APIView):
    """Let a stopped agent act again, on trial. Of tier 4: ask a second administrator to confirm."""

    permissions = {"POST": Permission.BREAKER_RESET}

    @extend_schema(request=ResetWrite, responses=BreakerAnswer)
    @idempotent
    def post(self, request: Request, agent_id: UUID) -> Response:
        return _done(request, agent_id, ResetWrite, reset_breaker)


class BreakerConfirmView(APIView):
    """Confirm the reset that another administrator asked for."""

    permissions = {"POST": Permission.BREAKER_RESET}

    @extend_schema(request=None, responses=BreakerAnswer)
    @idempotent
    def post(self, request: Request, agent_id: UUID) -> Response:
        confirm_reset(agent_for(request, agent_id), actor=actor_of(request))
        return _breaker(agent_for(request, agent_id))


class BreakerDeclineView(APIView):
    """Refuse the reset that was asked for, or take it back."""

    permissions = {"POST": Permission.BREAKER_RESET}

    @extend_schema(request=ReasonWrite, responses=BreakerAnswer)
    @idempotent
    def post(self, request: Request, agent_id: UUID) -> Response:
        return _done(request, agent_id, ReasonWrite, decline_reset)


class TripView(APIView):
    """One stop: its cause, its evidence, and whether it is contained."""

    permissions = {"GET": Permission.AGENTS_VIEW}

    @extend_schema(responses=TripDetail)
    def get(self, request: Request, trip_id: UUID) -> Response:
        return Response(TripDetail(trip_for(request, trip_id)).data)


class TripReviewView(APIView):
    """Review a stop that somebody else made by hand."""

    permissions = {"POST": Permission.BREAKER_REVIEW}

    @extend_schema(request=ReviewWrite, responses=TripDetail)
    @idempotent
    def post(self, request: Request, trip_id: UUID) -> Response:
        trip = trip_for(request, trip_id)
        review_trip(trip, review=body_of(request, ReviewWrite)["review"], actor=actor_of(request))
        return Response(TripDetail(trip_for(request, trip_id)).data)


class TripAlongView(APIView):
    """Stop agents together with the one that was stopped."""

    permissions = {"POST": Permission.BREAKER_TRIP}

    @extend_schema(request=TakeAlongWrite, responses=TripSerializer(many=True))
    @idempotent
    def post(self, request: Request, trip_id: UUID) -> Response:
        trip, body = trip_for(request, trip_id), body_of(request, TakeAlongWrite)
        seen = Agent.objects.visible_to(actor_of(request)).filter(pk__in=body["agents"])
        ids = list(seen.order_by().values_list("pk", flat=True))
        trips = take_along(trip, ids, reason=body["reason"], actor=actor_of(request))
        return Response(TripSerializer(trips, many=True).data)


def trip_for(request: Request, trip_id: UUID) -> BreakerTrip:
    """The stop, when the asker may know of its agent; 404 otherwise."""
    rows = BreakerTrip.objects.visible_to(actor_of(request))
    people = ("agent", "tripped_by", "reset_by", "reset_requested_by", "reviewed_by")
    return get_object_or_404(rows.select_related(*people), pk=trip_id)


def _done(
    request: Request, agent_id: UUID, shape: type[serializers.Serializer[object]], act: Callable[..., object]
) -> Response:
    act(agent_for(request, agent_id), **body_of(request, shape), actor=actor_of(request))
    return _breaker(agent_for(request, agent_id))


def _breaker(agent: Agent) -> Response:
    people = ("tripped_by", "reset_by", "reset_requested_by", "reviewed_by")
    told = {
        "state": agent.breaker_state,
        "trips": agent.breaker_trips.select_related(*people)[:20],
        "limits": limits_for(agent).values(),
    }
    return Response(BreakerAnswer(told).data)
