"""Policies over REST: writing, checking, reviewing, rolling out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import PrincipalRef, ReasonWrite
from apps.identity.models import Team
from apps.identity.roles import Permission
from apps.kit.rest.etags import check_if_match, etag_of
from apps.kit.rest.reading import body_of
from apps.oversight.cedar.kinds import KINDS
from apps.oversight.examples import tried
from apps.oversight.models import Policy, PolicyExample, PolicyMode, PolicyVersion
from apps.oversight.models.policies import LONGEST_POLICY
from apps.oversight.services.policy_versions import OUTCOMES as ALL_OUTCOMES
from apps.oversight.services.policy_versions import (
    NewPolicy,
    Wording,
    checked,
    create_policy,
    draft_version,
    drop_example,
    propose_version,
    retire_policy,
    review_version,
    roll_back,
    roll_out,
    set_example,
    set_policy_mode,
)

OUTCOMES = ("deny", "ask", "notify")
KIND_KEYS = tuple(KINDS)


class PolicyVersionSerializer(serializers.ModelSerializer[PolicyVersion]):
    author = PrincipalRef(read_only=True)
    reviewer = PrincipalRef(read_only=True, allow_null=True)

    class Meta:
        model = PolicyVersion
        fields = [
            "id", "number", "state", "form", "text", "effect", "outcome", "words", "obligations", "counters", "tool", "server",
            "agent", "team_name", "digest", "warnings", "reason", "author", "created_at", "proposed_at", "reviewer",
            "reviewed_at", "review_reason",
        ]  # fmt: skip


class PolicySerializer(serializers.ModelSerializer[Policy]):
    """`active` and `candidate` are version numbers; null where none applies. `versions` newest first."""

    team = serializers.CharField(source="team.name", allow_null=True, default=None)
    active = serializers.IntegerField(source="active.number", allow_null=True, default=None)
    candidate = serializers.IntegerField(source="candidate.number", allow_null=True, default=None)

    class Meta:
        model = Policy
        fields = [
            "id", "slug", "name", "description", "team", "mode", "active", "candidate", "candidate_percent", "version",
            "created_at", "updated_at", "retired_at",
        ]  # fmt: skip


class PolicyDetail(PolicySerializer):
    versions = PolicyVersionSerializer(many=True, read_only=True)

    class Meta(PolicySerializer.Meta):
        fields = [*PolicySerializer.Meta.fields, "versions"]


class WordingWrite(serializers.Serializer[Wording]):
    """Either `text`, Cedar with one permit or forbid, or a form: `kind` and its `answers`."""

    text = serializers.CharField(max_length=LONGEST_POLICY, required=False, default="", allow_blank=True)
    kind = serializers.ChoiceField(KIND_KEYS, required=False, default="", allow_blank=True)
    answers = serializers.DictField(required=False, default=dict)
    outcome = serializers.ChoiceField(OUTCOMES, required=False, default="deny")
    words = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)

    def validate(self, attrs: Any) -> Any:
        if bool(attrs["text"].strip()) == bool(attrs["kind"]):
            raise serializers.ValidationError({"text": "Either text, or kind with answers"})
        return attrs


class PolicyWrite(WordingWrite):
    """`team` is a team's id; null: for the whole fleet."""

    name = serializers.CharField(max_length=120)
    slug = serializers.CharField(max_length=80, required=False, default="", allow_blank=True)
    description = serializers.CharField(max_length=2000, required=False, default="", allow_blank=True)
    team = serializers.PrimaryKeyRelatedField(
        queryset=Team.objects.all(), required=False, allow_null=True, default=None
    )


class PolicyCheckAnswer(serializers.Serializer[Any]):
    """`text` in its canonical layout."""

    text = serializers.CharField()
    effect = serializers.CharField()
    outcome = serializers.CharField()
    warnings = serializers.ListField(child=serializers.CharField())


class PolicyReviewWrite(serializers.Serializer[Any]):
    approves = serializers.BooleanField()
    reason = serializers.CharField(max_length=2000, required=False, default="", allow_blank=True)
    percent = serializers.IntegerField(min_value=0, max_value=100, required=False, default=100)


class PolicyModeWrite(serializers.Serializer[Any]):
    mode = serializers.ChoiceField(PolicyMode.choices)
    reason = serializers.CharField(max_length=2000)


class ShareWrite(serializers.Serializer[Any]):
    percent = serializers.IntegerField(min_value=0, max_value=100)


class ExampleWrite(serializers.Serializer[PolicyExample]):
    """`question` holds tool and any of operation, arguments, data_classes, agent, tier, team, session, counted."""

    name = serializers.CharField(max_length=120)
    question = serializers.DictField()
    expected = serializers.ChoiceField(ALL_OUTCOMES)


class ExampleAnswer(serializers.ModelSerializer[PolicyExample]):
    """`got` is what the newest version makes of it."""

    got = serializers.CharField(read_only=True)

    class Meta:
        model = PolicyExample
        fields = ["id", "name", "question", "expected", "got"]


class PolicyFieldAnswer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    kind = serializers.CharField()
    choices = serializers.ListField(child=serializers.CharField())
    help = serializers.CharField()
    is_required = serializers.BooleanField()


class PolicyKindAnswer(serializers.Serializer[Any]):
    """A form: its key, and its questions."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    help = serializers.CharField()
    fields = PolicyFieldAnswer(many=True)  # type: ignore[assignment]


class PolicyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Policy]):
    """Rules about calls, in Cedar. A version applies once somebody other than its author has approved it."""

    permissions = {
        "list": Permission.DECISIONS_VIEW,
        "retrieve": Permission.DECISIONS_VIEW,
        "create": Permission.POLICY_EDIT,
        "check": Permission.POLICY_EDIT,
        "draft": Permission.POLICY_EDIT,
        "mode": Permission.POLICY_EDIT,
        "share": Permission.POLICY_EDIT,
        "back": Permission.POLICY_EDIT,
        "retire": Permission.POLICY_EDIT,
        "examples": Permission.DECISIONS_VIEW,
        "add_example": Permission.POLICY_EDIT,
    }
    queryset = Policy.objects.none()
    filterset_fields = ["mode", "team"]

    def get_queryset(self) -> QuerySet[Policy]:
        rows = Policy.objects.visible_to(actor_of(self.request)).select_related("team", "active", "candidate")
        return (
            rows if self.action == "list" else rows.prefetch_related("versions__author", "versions__reviewer")
        )

    def get_serializer_class(self) -> type[serializers.BaseSerializer[Any]]:
        return PolicySerializer if self.action == "list" else PolicyDetail

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._answer(self.get_object().pk)

    @extend_schema(request=PolicyWrite, responses={201: PolicyDetail})
    @idempotent
    def create(self, request: Request) -> Response:
        """A policy with its first draft; it applies to nobody yet."""
        body = body_of(request, PolicyWrite)
        about = {name: body.pop(name) for name in ("name", "slug", "description", "team")}
        policy = create_policy(NewPolicy(wording=Wording(**body), **about), actor=actor_of(request))
        return self._answer(policy.pk, status=201)

    @extend_schema(request=WordingWrite, responses=PolicyCheckAnswer)
    @action(detail=False, methods=["post"])
    def check(self, request: Request) -> Response:
        """Whether a wording could be saved: 400 with the reason where not."""
        read, warnings = checked(Wording(**body_of(request, WordingWrite)), actor=actor_of(request))
        told = {"text": read.text, "effect": read.effect, "outcome": read.outcome, "warnings": warnings}
        return Response(PolicyCheckAnswer(told).data)

    @extend_schema(request=WordingWrite, responses={201: PolicyVersionSerializer})
    @action(detail=True, methods=["post"], url_path="versions")
    @idempotent
    def draft(self, request: Request, pk: str) -> Response:
        """A new draft, in place of an older draft."""
        wording = Wording(**body_of(request, WordingWrite))
        version = draft_version(self.get_object(), wording, actor=actor_of(request))
        return Response(PolicyVersionSerializer(version).data, status=201)

    @extend_schema(request=PolicyModeWrite, responses=PolicyDetail)
    @action(detail=True, methods=["post"])
    def mode(self, request: Request, pk: str) -> Response:
        """Shadow, warn or enforce."""
        return self._change(request, set_policy_mode, PolicyModeWrite)

    @extend_schema(request=ShareWrite, responses=PolicyDetail)
    @action(detail=True, methods=["post"], url_path="roll-out")
    def share(self, request: Request, pk: str) -> Response:
        """The share of agents that the newest approved version applies to."""
        return self._change(request, roll_out, ShareWrite)

    @extend_schema(request=ReasonWrite, responses=PolicyDetail)
    @action(detail=True, methods=["post"], url_path="roll-back")
    def back(self, request: Request, pk: str) -> Response:
        """To what applied before."""
        return self._change(request, roll_back, ReasonWrite)

    @extend_schema(request=ReasonWrite, responses=PolicyDetail)
    @action(detail=True, methods=["post"])
    def retire(self, request: Request, pk: str) -> Response:
        return self._change(request, retire_policy, ReasonWrite)

    @extend_schema(responses=ExampleAnswer(many=True))
    @action(detail=True, methods=["get"])
    def examples(self, request: Request, pk: str) -> Response:
        """Calls that somebody wrote down, with what the newest version makes of each."""
        version = self.get_object().versions.select_related("policy").first()
        rows = tried(version) if version else []
        for one, verdict in rows:
            one.got = verdict.outcome  # type: ignore[attr-defined]
        return Response(ExampleAnswer([one for one, _ in rows], many=True).data)

    @extend_schema(request=ExampleWrite, responses={201: ExampleAnswer})
    @examples.mapping.post
    def add_example(self, request: Request, pk: str) -> Response:
        """Keep a call and what it must come to; one of the same name is replaced."""
        example = set_example(self.get_object(), actor=actor_of(request), **body_of(request, ExampleWrite))
        return Response(ExampleAnswer(example).data, status=201)

    def _change(self, request: Request, service: Any, form: type[serializers.Serializer[Any]]) -> Response:
        policy = self.get_object()
        version = check_if_match(request, policy, required=False)
        service(policy, actor=actor_of(request), version=version, **body_of(request, form))
        return self._answer(policy.pk)

    def _answer(self, pk: UUID, status: int = 200) -> Response:
        policy = get_object_or_404(
            Policy.objects.select_related("team", "active", "candidate").prefetch_related(
                "versions__author", "versions__reviewer"
            ),
            pk=pk,
        )
        return Response(PolicyDetail(policy).data, status=status, headers={"ETag": etag_of(policy)})


class VersionView(APIView):
    """One wording of a policy."""

    permissions = {"GET": Permission.DECISIONS_VIEW}

    @extend_schema(responses=PolicyVersionSerializer)
    def get(self, request: Request, policy_id: UUID, number: int) -> Response:
        return Response(PolicyVersionSerializer(_version(request, policy_id, number)).data)


class ProposeView(APIView):
    """Ask a second person."""

    permissions = {"POST": Permission.POLICY_EDIT}

    @extend_schema(request=ReasonWrite, responses=PolicyVersionSerializer)
    def post(self, request: Request, policy_id: UUID, number: int) -> Response:
        reason = body_of(request, ReasonWrite)["reason"]
        version = propose_version(
            _version(request, policy_id, number), actor=actor_of(request), reason=reason
        )
        return Response(PolicyVersionSerializer(version).data)


class ReviewView(APIView):
    """The second person's word."""

    permissions = {"POST": Permission.POLICY_EDIT}

    @extend_schema(request=PolicyReviewWrite, responses=PolicyVersionSerializer)
    def post(self, request: Request, policy_id: UUID, number: int) -> Response:
        said = body_of(request, PolicyReviewWrite)
        version = review_version(_version(request, policy_id, number), actor=actor_of(request), **said)
        return Response(PolicyVersionSerializer(version).data)


class ExampleView(APIView):
    """One example of a policy."""

    permissions = {"DELETE": Permission.POLICY_EDIT}

    @extend_schema(responses={204: None})
    def delete(self, request: Request, policy_id: UUID, example_id: UUID) -> Response:
        rows = PolicyExample.objects.filter(policy__in=Policy.objects.visible_to(actor_of(request)))
        example = get_object_or_404(rows.select_related("policy"), pk=example_id, policy=policy_id)
        drop_example(example, actor=actor_of(request))
        return Response(status=204)


class KindsView(APIView):
    """The forms that write the common policies."""

    permissions = {"GET": Permission.DECISIONS_VIEW}

    @extend_schema(responses=PolicyKindAnswer(many=True))
    def get(self, request: Request) -> Response:
        return Response([_kind(one.key) for one in KINDS.values()])


def _kind(key: str) -> Mapping[str, Any]:
    kind = KINDS[key]
    return {
        "key": key,
        "label": kind.label,
        "help": kind.help,
        "fields": [asdict(one) for one in kind.fields],
    }


def _version(request: Request, policy_id: UUID, number: int) -> PolicyVersion:
    seen = Policy.objects.visible_to(actor_of(request))
    rows = PolicyVersion.objects.filter(policy__in=seen).select_related("policy", "author", "reviewer")
    return get_object_or_404(rows, policy=policy_id, number=number)
