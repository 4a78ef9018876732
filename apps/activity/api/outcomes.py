"""Outcomes over REST: reported one by one or many at once, listed, summed up for an agent."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.activity.models import OutcomeWatch, RunOutcome
from apps.activity.outcomes.queries import summary_of
from apps.activity.outcomes.services import MOST_AT_ONCE, Report, Result, report_outcomes
from apps.activity.outcomes.words import READERS
from apps.agents.api.scoped import agent_for
from apps.agents.api.serializers import AgentRef
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.roles import Permission
from apps.kit.errors import InvalidInput
from apps.kit.rest.problems import flatten
from apps.kit.rest.reading import body_of, read


class OutcomeWrite(serializers.Serializer[Any]):
    """What one run came to, as far as you know. `at` is when the run was. `agent` is an id, a number
    (AGT-0412) or a slug; not needed with the agent's own key."""

    agent = serializers.CharField(max_length=80, required=False, default="", allow_blank=True)
    conversation_id = serializers.CharField(max_length=255)
    at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    resolved = serializers.BooleanField(required=False, allow_null=True, default=None)
    escalated = serializers.BooleanField(required=False, allow_null=True, default=None)
    escalation_due = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="Should it have been handed to a person?"
    )
    abandoned = serializers.BooleanField(required=False, allow_null=True, default=None)
    repeated = serializers.BooleanField(required=False, allow_null=True, default=None)
    reopened = serializers.BooleanField(required=False, allow_null=True, default=None)
    rating = serializers.FloatField(
        required=False,
        allow_null=True,
        default=None,
        min_value=0,
        max_value=1,
        help_text="Trust or rating, 0 to 1.",
    )
    value = serializers.DecimalField(18, 6, required=False, allow_null=True, default=None)
    cost = serializers.DecimalField(18, 6, required=False, allow_null=True, default=None, min_value=0)
    currency = serializers.CharField(max_length=3, required=False, default="", allow_blank=True)
    segment = serializers.CharField(max_length=80, required=False, default="", allow_blank=True)
    contact = serializers.CharField(
        max_length=255,
        required=False,
        default="",
        allow_blank=True,
        help_text="Whoever was served: a pseudonym will do.",
    )


class OutcomeSerializer(serializers.ModelSerializer[RunOutcome]):
    """`told` says of each known field who said it (api, event, otlp, derived) and when."""

    agent = AgentRef(read_only=True)
    version = serializers.IntegerField(source="version.number", default=None, read_only=True)

    class Meta:
        model = RunOutcome
        fields = [
            "id",
            "agent",
            "conversation_id",
            "at",
            "version",
            "fingerprint",
            *READERS,
            "told",
            "changed_at",
        ]


class OutcomeResultSerializer(serializers.Serializer[Result]):
    conversation_id = serializers.CharField()
    status = serializers.ChoiceField(["recorded", "unchanged", "refused"])
    fields_at_fault = serializers.DictField(child=serializers.CharField(), source="fields")


class OutcomeResultsSerializer(serializers.Serializer[Any]):
    recorded = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    refused = serializers.IntegerField()
    results = OutcomeResultSerializer(many=True)


class OutcomeFilter(django_filters.FilterSet):
    agent = django_filters.UUIDFilter(field_name="agent_id")
    version = django_filters.NumberFilter(field_name="version__number")
    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    until = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")

    class Meta:
        model = RunOutcome
        fields = [
            "conversation_id", "segment", "contact", "fingerprint", "resolved", "escalated", "escalation_due", "abandoned",
            "repeated", "reopened",
        ]  # fmt: skip


class OutcomeViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[RunOutcome]):
    """What the runs of the agents you may see came to, newest first."""

    serializer_class = OutcomeSerializer
    filterset_class = OutcomeFilter
    permissions = {"list": Permission.ACTIVITY_VIEW, "create": Permission.INGEST}
    queryset = RunOutcome.objects.none()

    def get_queryset(self) -> QuerySet[RunOutcome]:
        rows = RunOutcome.objects.visible_to(actor_of(self.request))
        return rows.select_related("agent", "version")

    @extend_schema(request=OutcomeWrite(many=True), responses=OutcomeResultsSerializer)
    @idempotent
    def create(self, request: Request) -> Response:
        """Report one outcome (an object) or up to 1,000 (an array), each with a result of its own. Sent again they change
        nothing; a later report of the same run replaces what it names."""
        several = request.data if isinstance(request.data, list) else None
        if several is None:
            return self._answer([_report(body_of(request, OutcomeWrite))], request, is_single=True)
        if len(several) > MOST_AT_ONCE:
            raise InvalidInput(
                "Too many outcomes at once.", fields={"outcomes": f"At most {MOST_AT_ONCE} at once"}
            )
        return self._answer([_read(one) for one in several], request)

    def _answer(self, read_: list[Report | Result], request: Request, *, is_single: bool = False) -> Response:
        good = [one for one in read_ if isinstance(one, Report)]
        told = iter(report_outcomes(good, actor=actor_of(request)))
        results = [next(told) if isinstance(one, Report) else one for one in read_]
        if is_single and results[0].status == "refused":
            raise InvalidInput("The outcome was not kept.", fields=results[0].fields)
        counts = {
            name: sum(one.status == name for one in results) for name in ("recorded", "unchanged", "refused")
        }
        return Response(OutcomeResultsSerializer(counts | {"results": results}).data)


def _read(item: Any) -> Report | Result:
    if not isinstance(item, dict):
        return Result("", "refused", {"outcome": "Send an object"})
    try:
        return _report(read(OutcomeWrite(data=item)))
    except ValidationError as error:
        return Result(str(item.get("conversation_id", ""))[:255], "refused", flatten(error.detail))


def _report(body: dict[str, Any]) -> Report:
    fields = {name: body[name] for name in READERS if body.get(name) not in (None, "")}
    return Report(body["agent"].strip(), body["conversation_id"], body["at"], fields)


class OutcomeWatchSerializer(serializers.ModelSerializer[OutcomeWatch]):
    """`level` since `since` over `runs`; `usual` what it was before it fell, null while it is not fallen."""

    class Meta:
        model = OutcomeWatch
        fields = ["measure", "level", "since", "runs", "usual", "fell_at", "told_at", "sentence"]


class OutcomeAmountSerializer(serializers.Serializer[Any]):
    """Of the runs in one currency ('': none was named): the sum of their value, the mean of their cost."""

    currency = serializers.CharField(allow_blank=True)
    value = serializers.FloatField(allow_null=True)
    cost = serializers.FloatField(allow_null=True)


class OutcomeGroupSerializer(serializers.Serializer[Any]):
    """Shares are between 0 and 1; null where nobody said anything. Amounts of different currencies are never added."""

    name = serializers.CharField()
    runs = serializers.IntegerField()
    resolved = serializers.FloatField(allow_null=True)
    escalated = serializers.FloatField(allow_null=True)
    rightly_escalated = serializers.FloatField(allow_null=True)
    abandoned = serializers.FloatField(allow_null=True)
    repeated = serializers.FloatField(allow_null=True)
    rating = serializers.FloatField(allow_null=True)
    amounts = OutcomeAmountSerializer(many=True)


class OutcomeSummarySerializer(serializers.Serializer[Any]):
    days = serializers.IntegerField()
    total = OutcomeGroupSerializer()
    versions = OutcomeGroupSerializer(many=True)
    segments = OutcomeGroupSerializer(many=True)
    watches = OutcomeWatchSerializer(many=True)


class AgentOutcomesView(APIView):
    """One agent's outcomes of the last 90 days: in all, by version, by segment, and what the sequential test says."""

    permissions = {"GET": Permission.ACTIVITY_VIEW}

    @extend_schema(responses=OutcomeSummarySerializer)
    def get(self, request: Request, agent_id: UUID) -> Response:
        return Response(OutcomeSummarySerializer(summary_of(agent_for(request, agent_id))).data)
