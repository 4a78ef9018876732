"""The shapes of the discovery inbox in REST."""

from __future__ import annotations

from typing import Any

import orjson
from rest_framework import serializers

from apps.agents.api.serializers import AgentRef
from apps.agents.matching import Found, confidence_word
from apps.agents.models import Candidate, Evidence, SourceKind
from apps.agents.services.candidate_decisions import (
    IGNORED_FOR_DAYS,
    LONGEST_IGNORED_DAYS,
    MOST_AT_ONCE,
    Decided,
)
from apps.agents.services.candidates import LONGEST_SOURCE, MOST_FINDINGS, Reported
from apps.identity.api.serializers import PrincipalRef, TeamRef
from apps.identity.models import Team

LONGEST_EXTRA_BYTES = 10_000


def _names() -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(max_length=255), max_length=200, required=False, default=list
    )


class FindingWrite(serializers.Serializer[Found]):
    """One finding, as `chancery scan --json` prints it."""

    kind = serializers.CharField(max_length=40)
    framework = serializers.CharField(max_length=80)
    role = serializers.CharField(max_length=32, default="agent")
    confidence = serializers.FloatField(min_value=0, max_value=1)
    place = serializers.CharField(max_length=450)
    name = serializers.CharField(max_length=200, allow_null=True, allow_blank=True, default="")
    model = serializers.CharField(max_length=255, allow_null=True, allow_blank=True, default="")
    tools = _names()
    mcp_servers = _names()
    description = serializers.CharField(max_length=4000, allow_blank=True, default="")
    extra = serializers.DictField(default=dict)

    def validate_extra(self, value: dict[str, Any]) -> dict[str, Any]:
        try:
            written = orjson.dumps(value)
        except TypeError as error:
            raise serializers.ValidationError("Plain JSON only.") from error
        if len(written) > LONGEST_EXTRA_BYTES or b"\\u0000" in written:
            raise serializers.ValidationError(
                f"At most {LONGEST_EXTRA_BYTES} bytes, without null characters."
            )
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return attrs | {key: attrs[key] or "" for key in ("name", "model")}


class ReportWrite(serializers.Serializer[Any]):
    """Findings of one source. `team` is taken from the key for a service."""

    source_kind = serializers.ChoiceField(SourceKind.choices)
    source = serializers.CharField(max_length=LONGEST_SOURCE)  # type: ignore[assignment]  # not Field.source
    team = serializers.PrimaryKeyRelatedField(
        queryset=Team.objects.all(), allow_null=True, required=False, default=None
    )
    findings = serializers.ListField(child=FindingWrite(), max_length=MOST_FINDINGS)


class ReportedSerializer(serializers.Serializer[Reported]):
    """What became of one finding, in the order reported."""

    place = serializers.CharField(source="found.place")
    name = serializers.CharField(source="candidate.name")
    candidate = serializers.UUIDField(source="candidate.pk")
    state = serializers.SerializerMethodField()
    outcome = serializers.ChoiceField(["new", "known", "changed", "returned"])
    agent = AgentRef(source="candidate.agent", allow_null=True)

    def get_state(self, reported: Reported) -> str:
        return state_of(reported.candidate)


class ReportAnswer(serializers.Serializer[Any]):
    results = ReportedSerializer(many=True)


class EvidenceOfCandidate(serializers.ModelSerializer[Evidence]):
    reported_by = PrincipalRef(read_only=True)
    source = serializers.CharField()  # type: ignore[assignment]  # a field of that name, not Field.source

    class Meta:
        model = Evidence
        fields = ["source_kind", "source", "place", "finding", "reported_by", "first_seen", "last_seen"]


class MatchSerializer(serializers.Serializer[Any]):
    """An agent that it may be; `score` from 0 to 1."""

    agent = AgentRef()
    score = serializers.FloatField()
    why = serializers.CharField()


class CandidateSerializer(serializers.ModelSerializer[Candidate]):
    """Something found that looks like an agent, with its evidence and the agent it may be."""

    state = serializers.SerializerMethodField()
    confidence_word = serializers.SerializerMethodField()
    team = TeamRef(read_only=True, allow_null=True)
    agent = AgentRef(read_only=True, allow_null=True)
    decided_by = PrincipalRef(read_only=True, allow_null=True)
    evidence = EvidenceOfCandidate(many=True, read_only=True)
    likely_match = serializers.SerializerMethodField()

    class Meta:
        model = Candidate
        fields = [
            "id", "name", "state", "confidence", "confidence_word", "kind", "role", "framework", "model", "description",
            "tools", "mcp_servers", "team", "agent", "likely_match", "evidence", "ignore_reason", "ignored_until",
            "decided_by", "decided_at", "first_seen", "last_seen",
        ]  # fmt: skip
        read_only_fields = fields

    def get_state(self, candidate: Candidate) -> str:
        return state_of(candidate)

    def get_confidence_word(self, candidate: Candidate) -> str:
        return confidence_word(candidate.confidence)

    def get_likely_match(self, candidate: Candidate) -> dict[str, Any] | None:
        match = self.context.get("matches", {}).get(candidate.pk)
        return MatchSerializer(match).data if match else None


def state_of(candidate: Candidate) -> str:
    """The state as a curator sees it: an ignored one whose time is over waits."""
    return Candidate.State.WAITING.value if candidate.is_waiting else candidate.state


class LinkWrite(serializers.Serializer[Any]):
    agent = serializers.UUIDField()
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class IgnoreWrite(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=2000)
    days = serializers.IntegerField(min_value=1, max_value=LONGEST_IGNORED_DAYS, default=IGNORED_FOR_DAYS)


class DecideWrite(serializers.Serializer[Any]):
    """One decision for many. `agent` is needed to link, `reason` to ignore."""

    ids = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=MOST_AT_ONCE)
    act = serializers.ChoiceField(["adopt", "link", "ignore", "reopen"])
    agent = serializers.UUIDField(required=False, allow_null=True, default=None)
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")
    days = serializers.IntegerField(min_value=1, max_value=LONGEST_IGNORED_DAYS, default=IGNORED_FOR_DAYS)


class DecidedSerializer(serializers.Serializer[Decided]):
    """What became of one; `error` is the code of what refused it, '' when it was done."""

    candidate = serializers.UUIDField(source="candidate.pk")
    name = serializers.CharField(source="candidate.name")
    state = serializers.SerializerMethodField()
    agent = AgentRef(source="candidate.agent", allow_null=True)
    error = serializers.SerializerMethodField()
    detail = serializers.SerializerMethodField()

    def get_state(self, decided: Decided) -> str:
        return state_of(decided.candidate)

    def get_error(self, decided: Decided) -> str:
        return decided.error.code if decided.error else ""

    def get_detail(self, decided: Decided) -> str:
        return decided.error.message if decided.error else ""


class DecideAnswer(serializers.Serializer[Any]):
    results = DecidedSerializer(many=True)
