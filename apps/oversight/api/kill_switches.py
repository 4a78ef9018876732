"""Kill switches over REST."""

from __future__ import annotations

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import PrincipalRef, TeamRef
from apps.identity.models import Team
from apps.identity.roles import Permission
from apps.kit.rest.reading import body_of
from apps.oversight.api.breaker import ContainmentSerializer, ResetWrite
from apps.oversight.containment import containment_of
from apps.oversight.models import KillSwitch
from apps.oversight.services.kill_switches import SwitchRequest, pull_kill_switch, release_kill_switch


class KillSwitchSerializer(serializers.ModelSerializer[KillSwitch]):
    """`released_at` null: it stands."""

    team = TeamRef(read_only=True, allow_null=True)
    pulled_by = PrincipalRef(read_only=True)
    released_by = PrincipalRef(read_only=True, allow_null=True)

    class Meta:
        model = KillSwitch
        fields = [
            "id", "scope", "team", "target", "reason", "pulled_at", "pulled_by", "released_at", "released_by",
            "release_reason", "corrective_action",
        ]  # fmt: skip


class KillSwitchDetail(KillSwitchSerializer):
    """With what every enforcement point answered to the stop."""

    containment = serializers.SerializerMethodField()

    class Meta(KillSwitchSerializer.Meta):
        fields = [*KillSwitchSerializer.Meta.fields, "containment"]

    @extend_schema_field(ContainmentSerializer(allow_null=True))
    def get_containment(self, switch: KillSwitch) -> object:
        order = switch.orders.filter(kind="stop").first()
        return ContainmentSerializer(containment_of(order)).data if order is not None else None


class KillSwitchWrite(serializers.Serializer[KillSwitch]):
    """`team` for scope team, `target` for a tool (`server/tool`, `server/*`, a name with *) or a model. One agent is stopped
    by tripping its breaker."""

    scope = serializers.ChoiceField(KillSwitch.Scope.choices)
    target = serializers.CharField(max_length=520, required=False, allow_blank=True, default="")
    team = serializers.PrimaryKeyRelatedField(
        queryset=Team.objects.all(), required=False, allow_null=True, default=None
    )
    reason = serializers.CharField(max_length=2000)


class KillSwitchViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[KillSwitch]
):
    """Stops of the fleet, of teams, tools and models, newest first."""

    serializer_class = KillSwitchSerializer
    filterset_fields = ["scope"]
    permissions = {
        "list": Permission.DECISIONS_VIEW,
        "retrieve": Permission.DECISIONS_VIEW,
        "create": Permission.SWITCHES_PULL,
        "release": Permission.BREAKER_RESET,
    }
    queryset = KillSwitch.objects.none()

    def get_queryset(self) -> QuerySet[KillSwitch]:
        rows = KillSwitch.objects.visible_to(actor_of(self.request))
        return rows.select_related("team", "pulled_by", "released_by")

    @extend_schema(responses=KillSwitchDetail)
    def retrieve(self, request: Request, *args: object, **kwargs: object) -> Response:
        return Response(KillSwitchDetail(self.get_object()).data)

    @extend_schema(request=KillSwitchWrite, responses={201: KillSwitchSerializer})
    @idempotent
    def create(self, request: Request) -> Response:
        """Stop at once."""
        body = body_of(request, KillSwitchWrite)
        asked = SwitchRequest(body["scope"], body["target"], body["team"])
        switch = pull_kill_switch(asked, reason=body["reason"], actor=actor_of(request))
        return Response(KillSwitchSerializer(switch).data, status=201)

    @extend_schema(request=ResetWrite, responses=KillSwitchSerializer)
    @action(detail=True, methods=["post"])
    @idempotent
    def release(self, request: Request, pk: str) -> Response:
        """Let go on what it stopped."""
        switch = get_object_or_404(self.get_queryset(), pk=pk)
        released = release_kill_switch(switch, **body_of(request, ResetWrite), actor=actor_of(request))
        return Response(KillSwitchSerializer(released).data)
