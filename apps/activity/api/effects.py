"""Read-backs of tools over REST, and what one found of a call."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.activity.effects import queries
from apps.activity.effects.queries import EffectView, Rates
from apps.activity.effects.rules import (
    LONGEST_NAME,
    LONGEST_S,
    LONGEST_URL,
    OF,
    TESTS,
    WITHIN_S,
    Rule,
    rule_of,
)
from apps.activity.effects.services import Draft, Tried, declare_read_back, remove_read_back, try_read_back
from apps.activity.effects.words import WHY, rule_in_words
from apps.activity.models import Effect, ReadBack
from apps.agents.models import Tool
from apps.identity.api.actor import actor_of
from apps.identity.roles import Permission
from apps.kit.errors import NotFound
from apps.kit.rest.etags import check_if_match, etag_of
from apps.kit.rest.reading import body_of


class ObservedShape(serializers.Serializer[object]):
    """A later call of `tool` that was given at `argument` what stands at `field` of the call. `server` is the tool's own
    where none is named. `of` conversation: the same one, or the same agent where the call has none."""

    tool = serializers.CharField(max_length=LONGEST_NAME)
    server = serializers.CharField(max_length=LONGEST_NAME, required=False, allow_blank=True)
    of = serializers.ChoiceField(list(OF.items()), required=False, default="conversation")
    argument = serializers.CharField(max_length=200, help_text="A path in its arguments, such as refund_id.")
    field = serializers.CharField(max_length=200, help_text="Such as result.id or arguments.items[0].id.")


class AddressShape(serializers.Serializer[object]):
    """An address with {arguments.x} and {result.y} in its path or query, asked by GET."""

    url = serializers.CharField(max_length=LONGEST_URL)
    status = serializers.IntegerField(min_value=200, max_value=499, required=False, default=200)


class ConditionShape(serializers.Serializer[object]):
    """What has to hold at `path` of the later call's result, or of the address's answer; '' is the whole of it."""

    test = serializers.ChoiceField(list(TESTS.items()))
    path = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    value = serializers.JSONField(
        required=False, allow_null=True, default=None, help_text="A text, a number, true or false."
    )
    field = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class ReadBackRuleShape(serializers.Serializer[Rule]):
    """One read-back: `observed` or `address`, and what has to hold of what comes back. Without a condition the status of
    the address decides."""

    within_s = serializers.IntegerField(min_value=1, max_value=LONGEST_S, required=False, default=WITHIN_S)
    observed = ObservedShape(required=False, allow_null=True, default=None)
    address = AddressShape(required=False, allow_null=True, default=None)
    condition = ConditionShape(required=False, allow_null=True, default=None)


class ReadBackWrite(ReadBackRuleShape):
    """A whole new version. An empty secret keeps the one there is."""

    secret = serializers.CharField(
        max_length=2000, required=False, allow_blank=True, default="", write_only=True, trim_whitespace=False
    )
    drops_secret = serializers.BooleanField(required=False, default=False)
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class RatesShape(serializers.Serializer[Rates]):
    """Calls of the last 30 days of the agents you may see."""

    verified = serializers.IntegerField()
    failed = serializers.IntegerField()
    unknown = serializers.IntegerField()


class ReadBackShape(serializers.Serializer[object]):
    """The version that holds, with its sentence and what it found."""

    number = serializers.IntegerField()
    rule = ReadBackRuleShape()
    words = serializers.CharField()
    has_secret = serializers.BooleanField()
    declared_by = serializers.CharField()
    declared_at = serializers.DateTimeField()
    reason = serializers.CharField()
    calls = RatesShape()


class TriedShape(serializers.Serializer[object]):
    """One past call under the rule. `effect` '': it cannot be told yet, or an address would be asked (`url`)."""

    call = serializers.UUIDField(source="call.pk")
    started_at = serializers.DateTimeField(source="call.started_at")
    effect = serializers.ChoiceField([("", "Not told"), *Effect.choices], source="judged.effect")
    evidence_call = serializers.UUIDField(source="judged.call_id", allow_null=True)
    url = serializers.CharField()
    words = serializers.SerializerMethodField()

    def get_words(self, one: Tried) -> str:
        return "" if one.url else WHY[one.why]


class EffectShape(serializers.Serializer[EffectView]):
    """What was found of a call. `evidence_call` is the later call that told, where you may see it; `shown` the value at
    `place` of what came back, as far as it is recorded."""

    effect = serializers.CharField(source="row.effect")
    why = serializers.CharField(source="row.why")
    words = serializers.CharField(source="sentence")
    declared = serializers.CharField()
    expected = serializers.CharField()
    place = serializers.CharField()
    shown = serializers.CharField()
    status = serializers.IntegerField(allow_null=True)
    note = serializers.CharField()
    evidence_call = serializers.UUIDField(source="evidence.pk", allow_null=True, default=None)
    looks = serializers.IntegerField(source="row.looks")
    due_at = serializers.DateTimeField(source="row.due_at")
    judged_at = serializers.DateTimeField(source="row.judged_at", allow_null=True)


class ReadBackView(APIView):
    """How it is found out whether calls of a tool did what they say."""

    permissions = {
        "GET": Permission.ACTIVITY_VIEW,
        "PUT": Permission.AGENTS_CURATE,
        "DELETE": Permission.AGENTS_CURATE,
    }

    @extend_schema(responses=ReadBackShape)
    def get(self, request: Request, tool_id: UUID) -> Response:
        """404 where none is declared."""
        tool = _tool(request, tool_id)
        standing = queries.standing_of(tool, actor=actor_of(request))
        if standing is None:
            raise NotFound("No read-back of this tool is declared.", code="activity.read_back.none")
        return self._told(standing, request)

    @extend_schema(request=ReadBackWrite, responses=ReadBackShape)
    def put(self, request: Request, tool_id: UUID) -> Response:
        """Declare it, or a new version of it: then with If-Match."""
        tool = _tool(request, tool_id)
        body = body_of(request, ReadBackWrite)
        standing = queries.standing_of(tool, actor=actor_of(request))
        after = check_if_match(request, standing, required=True) if standing else 0
        draft = Draft(_rule(body, tool), body["secret"], body["drops_secret"])
        declared = declare_read_back(tool, draft, reason=body["reason"], after=after, actor=actor_of(request))
        return self._told(declared, request)

    @extend_schema(parameters=[OpenApiParameter("reason", str)], responses={204: None})
    def delete(self, request: Request, tool_id: UUID) -> Response:
        """No further call is read back; what was found stays."""
        reason = request.query_params.get("reason", "")
        remove_read_back(_tool(request, tool_id), actor=actor_of(request), reason=reason)
        return Response(status=204)

    def _told(self, standing: ReadBack, request: Request) -> Response:
        rule = rule_of(standing.rule)
        told: dict[str, Any] = {
            name: getattr(standing, name) for name in ("number", "has_secret", "declared_at", "reason")
        }
        told |= {
            "rule": rule.as_json(),
            "words": rule_in_words(rule),
            "declared_by": standing.declared_by.name,
            "calls": queries.rates_of(standing.tool, actor=actor_of(request)),
        }
        response = Response(ReadBackShape(told).data)
        response["ETag"] = etag_of(standing)
        return response


class TryReadBackView(APIView):
    """A read-back on calls that were made, before it is declared."""

    permissions = {"POST": Permission.AGENTS_CURATE}

    @extend_schema(request=ReadBackRuleShape, responses=TriedShape(many=True))
    def post(self, request: Request, tool_id: UUID) -> Response:
        """The last 20 calls of the tool as the rule would have judged them. Nothing is asked and nothing is written: of an
        address it is told which would be asked."""
        tool = _tool(request, tool_id)
        rule = _rule(body_of(request, ReadBackRuleShape), tool)
        return Response(TriedShape(try_read_back(tool, rule, actor=actor_of(request)), many=True).data)


def _tool(request: Request, tool_id: UUID) -> Tool:
    return get_object_or_404(Tool.objects.visible_to(actor_of(request)), pk=tool_id)


def _rule(body: dict[str, Any], tool: Tool) -> Rule:
    if body["observed"] is not None:
        body["observed"].setdefault("server", tool.server)
    return rule_of(body)
