"""What enforcement points say and hear: heartbeats, orders, acknowledgements.

Waiting for orders (`wait`, or as server-sent events) is answered by `apps.oversight.orders.door`, which holds neither a
thread nor a connection meanwhile; here the same address answers at once, for whoever comes with a session.
"""

from __future__ import annotations

from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.agents.models import Agent
from apps.identity.access import access_of
from apps.identity.api.actor import actor_of
from apps.identity.api.serializers import PrincipalRef
from apps.identity.roles import Permission
from apps.kit.rest.reading import body_of
from apps.oversight.containment import orders_after, orders_standing, told
from apps.oversight.models import ContainmentOrder, EnforcementPoint
from apps.oversight.orders.answers import after_in, answer_of
from apps.oversight.services.containment import (
    OF_OTHERS,
    Heartbeat,
    acknowledge_orders,
    hear_heartbeat,
    number_orders,
)


class OrderSerializer(serializers.Serializer[ContainmentOrder]):
    """`kind`: stop, resume or drill. `scope`: agent, team, tool, model or fleet. `target` is the id of an agent or a team, the name of a tool or a model, '' for the fleet."""

    seq = serializers.IntegerField()
    kind = serializers.CharField()
    scope = serializers.CharField()
    target = serializers.CharField()
    reason = serializers.CharField()
    at = serializers.DateTimeField()


class OrdersAnswer(serializers.Serializer[object]):
    """`next` is what to send as `after` the next time."""

    orders = OrderSerializer(many=True)
    next = serializers.IntegerField()


class HeartbeatWrite(serializers.Serializer[Heartbeat]):
    """`point` is the name by which the sender knows it; `bundle` the version of the policies it holds."""

    point = serializers.CharField(max_length=120)
    kind = serializers.ChoiceField([(kind, kind) for kind in OF_OTHERS])
    bundle = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")


class HeartbeatAnswer(serializers.Serializer[object]):
    """`lease_s`: without another heartbeat until then it counts as gone. `standing`: stops that hold now; `next`: where to
    begin to listen."""

    point = serializers.CharField()
    lease_s = serializers.IntegerField()
    standing = OrderSerializer(many=True)
    next = serializers.IntegerField()


class AcknowledgementWrite(serializers.Serializer[object]):
    point = serializers.CharField(max_length=120)
    seqs = serializers.ListField(child=serializers.IntegerField(min_value=1), min_length=1, max_length=500)


class AcknowledgementAnswer(serializers.Serializer[object]):
    acknowledged = serializers.IntegerField()


class PointSerializer(serializers.ModelSerializer[EnforcementPoint]):
    principal = PrincipalRef(read_only=True)

    class Meta:
        model = EnforcementPoint
        fields = ["id", "name", "kind", "principal", "bundle", "lease_s", "first_seen_at", "last_seen_at"]


class HeartbeatView(APIView):
    """A point lives."""

    permissions = {"POST": Permission.DECISIONS_ASK}

    @extend_schema(request=HeartbeatWrite, responses=HeartbeatAnswer)
    def post(self, request: Request) -> Response:
        actor = actor_of(request)
        point = hear_heartbeat(Heartbeat(**body_of(request, HeartbeatWrite)), actor=actor)
        upto = number_orders()
        standing = [told(order) for order in orders_standing(actor)]
        return Response({"point": point.name, "lease_s": point.lease_s, "standing": standing, "next": upto})


class OrdersView(APIView):
    """Orders after a number, oldest first."""

    permissions = {"GET": Permission.DECISIONS_ASK}

    @extend_schema(
        parameters=[
            OpenApiParameter("after", int, description="The number of the last order that was heard."),
            OpenApiParameter("wait", int, description="Seconds to wait for one, up to 30."),
        ],
        responses=OrdersAnswer,
    )
    def get(self, request: Request) -> Response:
        after = after_in(request.query_params)
        number_orders()
        return Response(answer_of(orders_after(actor_of(request), after), after))


class AcknowledgementsView(APIView):
    """A point has done what orders say."""

    permissions = {"POST": Permission.DECISIONS_ASK}

    @extend_schema(request=AcknowledgementWrite, responses=AcknowledgementAnswer)
    def post(self, request: Request) -> Response:
        body = body_of(request, AcknowledgementWrite)
        fresh = acknowledge_orders(body["point"], body["seqs"], actor=actor_of(request))
        return Response({"acknowledged": fresh})


class PointViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[EnforcementPoint]):
    """Every point that the asker may know of: Chancery's own, and those of agents and teams it sees."""

    serializer_class = PointSerializer
    filterset_fields = ["kind"]
    permissions = {"list": Permission.DECISIONS_VIEW}
    queryset = EnforcementPoint.objects.none()

    def get_queryset(self) -> QuerySet[EnforcementPoint]:
        actor = actor_of(self.request)
        rows = EnforcementPoint.objects.select_related("principal")
        if access_of(actor).allows(Permission.DECISIONS_VIEW) and actor.kind != "agent":
            return rows
        teams = access_of(actor).teams_with(Permission.DECISIONS_VIEW)
        agents = Agent.objects.visible_to(actor).order_by().values("principal")
        return rows.filter(
            Q(principal__in=agents)
            | Q(principal__team__in=teams)
            | Q(kind__in=["decision_api", "credentials"])
        )
