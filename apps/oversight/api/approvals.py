"""Calls that wait for a person, and consent in advance, over REST."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.agents.api.scoped import agent_for
from apps.agents.api.serializers import AgentRef
from apps.agents.toolnames import LONGEST
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import PrincipalRef, ReasonWrite
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.kit.rest.reading import body_of
from apps.oversight.models import Approval, ApprovalNote, ApprovalVote, StandingApproval
from apps.oversight.services.approvals import (
    MOST_TOGETHER,
    Answer,
    answer_approval,
    answer_together,
    carry_out,
    hand_over_approval,
    withdraw_approval,
    write_note,
)
from apps.oversight.services.standing import (
    Consent,
    give_standing_approval,
    review_standing_approval,
    revoke_standing_approval,
)

SEE = (Permission.DECISIONS_VIEW, Permission.DECISIONS_ASK)


class NoteSerializer(serializers.ModelSerializer[ApprovalNote]):
    author = PrincipalRef(read_only=True)

    class Meta:
        model = ApprovalNote
        fields = ["author", "text", "written_at"]


class VoteSerializer(serializers.ModelSerializer[ApprovalVote]):
    person = PrincipalRef(read_only=True)

    class Meta:
        model = ApprovalVote
        fields = ["person", "approves", "reason", "open_s", "voted_at"]


class ApprovalSerializer(serializers.ModelSerializer[Approval]):
    """`arguments` are those to call with: as asked for, or as a person changed them (`asked_arguments` are the former)."""

    agent = AgentRef(read_only=True)
    tool = serializers.CharField(source="tool_name")
    arguments = serializers.SerializerMethodField()
    asked_arguments = serializers.JSONField(source="arguments")
    requested_by = PrincipalRef(read_only=True)
    decided_by = PrincipalRef(read_only=True, allow_null=True)
    assignee = PrincipalRef(read_only=True, allow_null=True)
    notes = NoteSerializer(many=True, read_only=True)
    votes = VoteSerializer(many=True, read_only=True)

    class Meta:
        model = Approval
        fields = [
            "id", "version", "kind", "state", "agent", "tool", "operation", "call_id", "conversation_id", "purpose",
            "on_behalf_of", "arguments", "asked_arguments", "code", "reason", "risk", "needed", "on_expiry", "created_at",
            "expires_at", "usable_until", "requested_by", "assignee", "decided_at", "decided_by", "decision_reason", "seen",
            "seen_digest", "digest", "decision_id", "used_at", "notes", "votes",
        ]  # fmt: skip

    def get_arguments(self, approval: Approval) -> dict[str, Any]:
        changed: dict[str, Any] | None = approval.changed_arguments
        return approval.arguments if changed is None else changed


class AnswerWrite(serializers.Serializer[Answer]):
    """`arguments` null: as asked for. `seen_digest` proves what you had before you; `version` refuses a late answer."""

    approves = serializers.BooleanField()
    reason = serializers.CharField(max_length=2000, required=False, default="", allow_blank=True)
    arguments = serializers.DictField(required=False, allow_null=True, default=None)
    seen_digest = serializers.CharField(max_length=64, required=False, default="", allow_blank=True)
    open_s = serializers.FloatField(required=False, allow_null=True, default=None, min_value=0)
    version = serializers.IntegerField(required=False, allow_null=True, default=None)


class TogetherWrite(serializers.Serializer[Any]):
    approvals = serializers.ListField(child=serializers.UUIDField(), max_length=MOST_TOGETHER, min_length=1)
    approves = serializers.BooleanField()
    reason = serializers.CharField(max_length=2000)


class TogetherAnswer(serializers.Serializer[Any]):
    """`refused` says of each that was not answered why, by its id."""

    answered = serializers.ListField(child=serializers.UUIDField())
    refused = serializers.DictField(child=serializers.DictField())


class HandOverWrite(serializers.Serializer[Any]):
    to = serializers.PrimaryKeyRelatedField(queryset=Principal.objects.filter(kind="human", is_active=True))
    reason = serializers.CharField(max_length=2000)


class NoteWrite(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=4000)


class StandingSerializer(serializers.ModelSerializer[StandingApproval]):
    agent = AgentRef(read_only=True)
    tool = serializers.CharField(source="tool_name")
    given_by = PrincipalRef(read_only=True)
    reviewed_by = PrincipalRef(read_only=True, allow_null=True)
    revoked_by = PrincipalRef(read_only=True, allow_null=True)

    class Meta:
        model = StandingApproval
        fields = [
            "id", "agent", "tool", "operation", "limits", "most_calls", "used", "until", "reason", "given_by", "given_at",
            "reviewed_at", "reviewed_by", "revoked_at", "revoked_by", "revoke_reason",
        ]  # fmt: skip


class ConsentWrite(serializers.Serializer[Consent]):
    """`limits` {path in the arguments: {"most": number} or {"among": [values]}}."""

    agent = serializers.UUIDField()
    tool = serializers.CharField(max_length=LONGEST)
    operation = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    limits = serializers.DictField(required=False, default=dict)
    most_calls = serializers.IntegerField()
    until = serializers.DateTimeField()
    reason = serializers.CharField(max_length=2000)


class ApprovalFilter(django_filters.FilterSet):
    agent = django_filters.UUIDFilter(field_name="agent_id")
    tool = django_filters.CharFilter(field_name="tool_name")
    assignee = django_filters.UUIDFilter(field_name="assignee_id")

    class Meta:
        model = Approval
        fields = ["state", "kind", "code", "call_id", "conversation_id"]


class ApprovalViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Approval]):
    """Calls that wait for a person, riskiest first, and what became of them."""

    serializer_class = ApprovalSerializer
    filterset_class = ApprovalFilter
    permissions = {
        "list": SEE,
        "retrieve": SEE,
        "answer": Permission.APPROVALS_DECIDE,
        "together": Permission.APPROVALS_DECIDE,
        "hand_over": Permission.APPROVALS_DECIDE,
        "done": Permission.APPROVALS_DECIDE,
        "withdraw": Permission.DECISIONS_ASK,
        "notes": (Permission.APPROVALS_DECIDE, Permission.DECISIONS_ASK),
    }
    queryset = Approval.objects.none()

    def get_queryset(self) -> QuerySet[Approval]:
        rows = Approval.objects.visible_to(actor_of(self.request))
        people = rows.select_related("agent", "requested_by", "decided_by", "assignee")
        return people.prefetch_related("notes__author", "votes__person")

    @extend_schema(request=AnswerWrite, responses=ApprovalSerializer)
    @action(detail=True, methods=["post"])
    @idempotent
    def answer(self, request: Request, pk: str) -> Response:
        """Approve, approve with changed arguments, or deny with a reason."""
        found = self.get_object()
        given = Answer(**body_of(request, AnswerWrite))
        return self._after(answer_approval(found, given, actor=actor_of(request)))

    @extend_schema(request=TogetherWrite, responses=TogetherAnswer)
    @action(detail=False, methods=["post"], url_path="answer-together")
    @idempotent
    def together(self, request: Request) -> Response:
        """The same answer to many; each stands by itself."""
        body = body_of(request, TogetherWrite)
        chosen = list(self.get_queryset().filter(pk__in=body["approvals"]))
        found = answer_together(chosen, Answer(body["approves"], body["reason"]), actor=actor_of(request))
        refused = {key: {"code": one.code, "detail": one.message} for key, one in found.refused.items()}
        missing = {str(pk) for pk in body["approvals"]} - {str(one.pk) for one in chosen}
        refused |= {pk: {"code": "not_found", "detail": "There is no such approval."} for pk in missing}
        return Response(
            TogetherAnswer({"answered": [one.pk for one in found.answered], "refused": refused}).data
        )

    @extend_schema(request=HandOverWrite, responses=ApprovalSerializer)
    @action(detail=True, methods=["post"], url_path="hand-over")
    def hand_over(self, request: Request, pk: str) -> Response:
        """Leave it to somebody else who may decide."""
        found, body = self.get_object(), body_of(request, HandOverWrite)
        return self._after(
            hand_over_approval(found, body["to"], actor=actor_of(request), reason=body["reason"])
        )

    @extend_schema(request=ReasonWrite, responses=ApprovalSerializer)
    @action(detail=True, methods=["post"])
    def done(self, request: Request, pk: str) -> Response:
        """What is for people only was carried out; `reason` says how."""
        found, note = self.get_object(), body_of(request, ReasonWrite)["reason"]
        return self._after(carry_out(found, actor=actor_of(request), note=note))

    @extend_schema(request=None, responses=ApprovalSerializer)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        """The agent needs it no more."""
        return self._after(withdraw_approval(self.get_object(), actor=actor_of(request)))

    @extend_schema(request=NoteWrite, responses={201: NoteSerializer})
    @action(detail=True, methods=["post"])
    def notes(self, request: Request, pk: str) -> Response:
        """A question to the agent, or its answer."""
        note = write_note(self.get_object(), body_of(request, NoteWrite)["text"], actor=actor_of(request))
        return Response(NoteSerializer(note).data, status=201)

    def _after(self, approval: Approval) -> Response:
        return Response(self.get_serializer(self.get_queryset().get(pk=approval.pk)).data)


class StandingViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[StandingApproval]
):
    """Consent given in advance."""

    serializer_class = StandingSerializer
    filterset_fields = ["agent"]
    permissions = {
        "list": Permission.DECISIONS_VIEW,
        "retrieve": Permission.DECISIONS_VIEW,
        "create": Permission.APPROVALS_DECIDE,
        "revoke": Permission.APPROVALS_DECIDE,
        "review": Permission.APPROVALS_DECIDE,
    }
    queryset = StandingApproval.objects.none()

    def get_queryset(self) -> QuerySet[StandingApproval]:
        rows = StandingApproval.objects.visible_to(actor_of(self.request))
        return rows.select_related("agent", "given_by", "reviewed_by", "revoked_by")

    @extend_schema(request=ConsentWrite, responses={201: StandingSerializer})
    @idempotent
    def create(self, request: Request) -> Response:
        """Approve such calls of one agent up to a number and a day."""
        body = body_of(request, ConsentWrite)
        agent = agent_for(request, UUID(str(body.pop("agent"))))
        given = give_standing_approval(agent, Consent(**body), actor=actor_of(request))
        return Response(self.get_serializer(given).data, status=201)

    @extend_schema(request=ReasonWrite, responses=StandingSerializer)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """Such calls wait for a person again."""
        return self._after(request, revoke_standing_approval)

    @extend_schema(request=ReasonWrite, responses=StandingSerializer)
    @action(detail=True, methods=["post"])
    def review(self, request: Request, pk: str) -> Response:
        """Somebody looked at its use and leaves it."""
        return self._after(request, review_standing_approval)

    def _after(self, request: Request, service: Any) -> Response:
        given = get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"])
        changed = service(given, actor=actor_of(request), reason=body_of(request, ReasonWrite)["reason"])
        return Response(self.get_serializer(changed).data)
