"""One decision for every instance of a blueprint, over REST."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.agents.api.blueprint_serializers import ActAnswer, answer_of
from apps.agents.api.blueprints import blueprint_for
from apps.agents.services.blueprints import BlueprintAct
from apps.agents.toolnames import LONGEST
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import PrincipalRef, ReasonWrite
from apps.identity.roles import Permission
from apps.kit.errors import NotFound
from apps.kit.rest.etags import check_if_match, etag_of
from apps.kit.rest.reading import body_of
from apps.oversight.api.breaker import ResetWrite
from apps.oversight.models import BlueprintPolicy
from apps.oversight.services.blueprints import reset_blueprint, set_blueprint_policy, stop_blueprint


class BlueprintPolicySerializer(serializers.ModelSerializer[BlueprintPolicy]):
    """`allowed_tools` null: it was dropped and limits nothing."""

    updated_by = PrincipalRef(read_only=True)

    class Meta:
        model = BlueprintPolicy
        fields = ["allowed_tools", "version", "updated_at", "updated_by"]


class BlueprintPolicyWrite(serializers.Serializer[BlueprintPolicy]):
    """Exactly these tools may be called by every instance; null limits them no longer. `over_own`: also where an instance
    has a policy of its own."""

    allowed_tools = serializers.ListField(
        child=serializers.CharField(max_length=LONGEST), max_length=500, allow_null=True
    )
    reason = serializers.CharField(max_length=2000)
    over_own = serializers.BooleanField(required=False, default=False)


class BlueprintPolicyView(APIView):
    """The tools every instance may call."""

    permissions = {"GET": Permission.AGENTS_VIEW, "PUT": Permission.POLICY_EDIT}

    @extend_schema(responses=BlueprintPolicySerializer)
    def get(self, request: Request, blueprint_id: UUID) -> Response:
        policy = _policy(request, blueprint_id)
        if policy is None:
            raise NotFound("No policy limits its instances.")
        return Response(BlueprintPolicySerializer(policy).data, headers={"ETag": etag_of(policy)})

    @extend_schema(request=BlueprintPolicyWrite, responses=ActAnswer)
    def put(self, request: Request, blueprint_id: UUID) -> Response:
        """If-Match, where sent, names the version that was read."""
        found, policy = blueprint_for(request, blueprint_id), _policy(request, blueprint_id)
        version = check_if_match(request, policy, required=False) if policy else None
        body = body_of(request, BlueprintPolicyWrite)
        tools = body.pop("allowed_tools")
        return answer_of(set_blueprint_policy(found, tools, version=version, actor=actor_of(request), **body))


class BlueprintStopView(APIView):
    """Trip the breaker of every instance."""

    permissions = {"POST": Permission.BREAKER_TRIP}

    @extend_schema(request=ReasonWrite, responses=ActAnswer)
    @idempotent
    def post(self, request: Request, blueprint_id: UUID) -> Response:
        return _done(request, blueprint_id, ReasonWrite, stop_blueprint)


class BlueprintResetView(APIView):
    """Let every stopped instance act again, on trial. Those of tier 4 are reset one by one, by two."""

    permissions = {"POST": Permission.BREAKER_RESET}

    @extend_schema(request=ResetWrite, responses=ActAnswer)
    @idempotent
    def post(self, request: Request, blueprint_id: UUID) -> Response:
        return _done(request, blueprint_id, ResetWrite, reset_blueprint)


def _done(
    request: Request,
    blueprint_id: UUID,
    shape: type[serializers.Serializer[object]],
    act: Callable[..., BlueprintAct],
) -> Response:
    found = blueprint_for(request, blueprint_id)
    return answer_of(act(found, **body_of(request, shape), actor=actor_of(request)))


def _policy(request: Request, blueprint_id: UUID) -> BlueprintPolicy | None:
    rows = BlueprintPolicy.objects.filter(blueprint=blueprint_for(request, blueprint_id))
    return rows.select_related("updated_by").first()
