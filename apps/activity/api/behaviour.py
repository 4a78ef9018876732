"""Baselines, alerts and detectors over REST."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.activity.behaviour.detectors import DETECTORS
from apps.activity.behaviour.filters import AlertFilter
from apps.activity.behaviour.profile import Profile
from apps.activity.behaviour.queries import detector_rows, settings_of
from apps.activity.behaviour.services import Choice, call_fine, confirm_alert, set_detector, snooze_alert
from apps.activity.behaviour.wording import usual_in_words
from apps.activity.models import Alert, Baseline
from apps.agents.api.scoped import agent_for
from apps.agents.api.serializers import AgentRef
from apps.agents.models import Agent
from apps.identity.api.actor import actor_of
from apps.identity.api.serializers import PrincipalRef, ReasonWrite
from apps.identity.roles import Permission
from apps.kit.rest.reading import body_of

SHOWN = (
    "tools", "operations", "pairs", "shapes", "classes", "partners", "hours", "numbers", "latency", "tokens", "errors",
)  # fmt: skip


class AlertSerializer(serializers.ModelSerializer[Alert]):
    """Unusual calls of one cause. `score` is the highest of theirs; `first_call` null where it is of a stretch, and `level` then
    the highest seen: calls in the hour, the share that failed, hours without a call."""

    agent = AgentRef(read_only=True)
    answered_by = PrincipalRef(read_only=True, allow_null=True)

    class Meta:
        model = Alert
        fields = [
            "id", "agent", "detector", "cause", "severity", "reason", "score", "level", "calls", "first_call", "last_call",
            "first_at", "last_at", "state", "snoozed_until", "answered_at", "answered_by", "answer",
        ]  # fmt: skip


class FineWrite(serializers.Serializer[Alert]):
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class SnoozeWrite(FineWrite):
    until = serializers.DateTimeField(help_text="At most 90 days away; then the alert waits again.")


class AlertViewSet(viewsets.ReadOnlyModelViewSet[Alert]):
    """Alerts of the agents you may see, newest first; `?waiting=true` for those to look at."""

    serializer_class = AlertSerializer
    filterset_class = AlertFilter
    lookup_value_converter = "uuid"
    permissions = {
        "list": Permission.ACTIVITY_VIEW, "retrieve": Permission.ACTIVITY_VIEW, "fine": Permission.ALERTS_ANSWER,
        "confirm": Permission.ALERTS_ANSWER, "snooze": Permission.ALERTS_ANSWER,
    }  # fmt: skip
    queryset = Alert.objects.none()

    def get_queryset(self) -> QuerySet[Alert]:
        rows = Alert.objects.visible_to(actor_of(self.request))
        return rows.select_related("agent", "answered_by").order_by("-last_at", "-id")

    @extend_schema(request=FineWrite, responses=AlertSerializer)
    @action(detail=True, methods=["post"])
    def fine(self, request: Request, pk: Any = None) -> Response:
        """This was fine: the baseline learns it."""
        alert, told = self.get_object(), body_of(request, FineWrite)
        return self._told(call_fine(alert, reason=told["reason"], actor=actor_of(request)))

    @extend_schema(request=ReasonWrite, responses=AlertSerializer)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: Any = None) -> Response:
        """This was wrong: it never counts as usual."""
        alert, told = self.get_object(), body_of(request, ReasonWrite)
        return self._told(confirm_alert(alert, reason=told["reason"], actor=actor_of(request)))

    @extend_schema(request=SnoozeWrite, responses=AlertSerializer)
    @action(detail=True, methods=["post"])
    def snooze(self, request: Request, pk: Any = None) -> Response:
        """Put it off until a time."""
        alert, told = self.get_object(), body_of(request, SnoozeWrite)
        actor = actor_of(request)
        return self._told(snooze_alert(alert, told["until"], reason=told["reason"], actor=actor))

    def _told(self, alert: Alert) -> Response:
        return Response(self.get_serializer(alert).data)


class BaselineSerializer(serializers.ModelSerializer[Baseline]):
    """`usual` says in sentences what is normal; `profile` holds the counts and spreads behind them."""

    version = serializers.IntegerField(source="version.number", allow_null=True, default=None)
    frozen_by = PrincipalRef(read_only=True, allow_null=True)
    usual = serializers.SerializerMethodField()
    profile = serializers.SerializerMethodField()

    class Meta:
        model = Baseline
        fields = [
            "id", "kind", "version", "environment", "calls", "created_at", "updated_at", "frozen_at", "frozen_by",
            "usual", "profile",
        ]  # fmt: skip

    def get_usual(self, baseline: Baseline) -> list[str]:
        return usual_in_words(Profile.from_json(baseline.profile))

    def get_profile(self, baseline: Baseline) -> dict[str, Any]:
        return {name: baseline.profile.get(name) for name in SHOWN}


class AgentBaselinesView(APIView):
    """What is usual for one agent: its rolling baselines, then the certified ones, newest first; at most 50."""

    permissions = {"GET": Permission.ACTIVITY_VIEW}

    @extend_schema(responses=BaselineSerializer(many=True), operation_id="agents_baselines_list")
    def get(self, request: Request, agent_id: UUID) -> Response:
        agent = agent_for(request, agent_id)
        rows = Baseline.objects.visible_to(actor_of(request)).filter(agent=agent)
        rows = rows.select_related("version", "frozen_by").order_by("-kind", "-updated_at")[:50]
        return Response(BaselineSerializer(rows, many=True).data)


class DetectorsAnswer(serializers.Serializer[object]):
    """What holds: `rate` is the share of calls that may give an alarm, `least_calls` how many make a baseline."""

    rate = serializers.FloatField()
    least_calls = serializers.IntegerField()
    detectors = serializers.ListField(child=serializers.DictField())


class DetectorWrite(serializers.Serializer[Choice]):
    """One choice: `detector` with `is_on`, or without one `rate`, `least_calls` or both. What is not sent stays as it was;
    null takes the choice back (as the fleet has it)."""

    detector = serializers.ChoiceField(
        choices=[(one.name, one.title) for one in DETECTORS], required=False, allow_blank=True, default=""
    )
    is_on = serializers.BooleanField(required=False, allow_null=True)
    rate = serializers.FloatField(required=False, allow_null=True, min_value=0, max_value=0.1)
    least_calls = serializers.IntegerField(required=False, allow_null=True, min_value=5, max_value=10_000)
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class DetectorsView(APIView):
    """The detectors for the whole fleet, with the precision of their alerts."""

    permissions = {"GET": Permission.ACTIVITY_VIEW, "POST": Permission.POLICY_EDIT}

    @extend_schema(responses=DetectorsAnswer)
    def get(self, request: Request) -> Response:
        return _detectors(request, None)

    @extend_schema(request=DetectorWrite, responses=DetectorsAnswer)
    def post(self, request: Request) -> Response:
        return _chosen(request, None)


class AgentDetectorsView(APIView):
    """The detectors for one agent; what is not chosen for it is as the fleet has it."""

    permissions = {"GET": Permission.ACTIVITY_VIEW, "POST": Permission.POLICY_EDIT}

    @extend_schema(responses=DetectorsAnswer)
    def get(self, request: Request, agent_id: UUID) -> Response:
        return _detectors(request, agent_for(request, agent_id))

    @extend_schema(request=DetectorWrite, responses=DetectorsAnswer)
    def post(self, request: Request, agent_id: UUID) -> Response:
        return _chosen(request, agent_for(request, agent_id))


def _chosen(request: Request, agent: Agent | None) -> Response:
    told = body_of(request, DetectorWrite)
    reason = told.pop("reason")
    set_detector(agent, Choice(**told), reason=reason, actor=actor_of(request))
    return _detectors(request, agent)


def _detectors(request: Request, agent: Agent | None) -> Response:
    rules, _ = settings_of(agent)
    rows = [
        {
            "detector": row.words.name, "title": row.words.title, "severity": row.words.severity,
            "words": row.words.words, "is_on": row.is_on, "chosen_here": row.chosen, "waiting": row.waiting,
            "fine": row.fine, "confirmed": row.confirmed, "precision": row.precision,
        }
        for row in detector_rows(agent, actor=actor_of(request))
    ]  # fmt: skip
    told = {"rate": rules.rate, "least_calls": rules.least_calls, "detectors": rows}
    return Response(DetectorsAnswer(told).data)
