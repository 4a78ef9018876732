"""The dependency graph over REST."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.agents import graph as graphs
from apps.agents.graph import BOTH, DOWN, MOST_HOPS, UP, Graph, Key
from apps.agents.graph_files import as_json
from apps.agents.models import DataClass, NodeKind
from apps.identity.api.actor import actor_of
from apps.identity.roles import Permission
from apps.kit.errors import InvalidInput, NotFound
from apps.kit.rest.reading import validated


class GraphQuery(serializers.Serializer[Any]):
    """`focus` is kind:id, such as agent:01a2…; `direction` up follows what needs it, down what it needs."""

    focus = serializers.CharField(max_length=60)
    direction = serializers.ChoiceField([UP, DOWN, BOTH], default=BOTH)
    hops = serializers.IntegerField(min_value=1, max_value=MOST_HOPS, default=2)
    days = serializers.IntegerField(
        min_value=1, max_value=3650, required=False, allow_null=True, default=None
    )


class GraphNodeSerializer(serializers.Serializer[Any]):
    """`worst_tier` and `worst_class` are the gravest on the way from the focus, the node itself included."""

    id = serializers.CharField()
    kind = serializers.ChoiceField(NodeKind.choices)
    name = serializers.CharField()
    hops = serializers.IntegerField()
    tier = serializers.IntegerField(allow_null=True)
    state = serializers.CharField(allow_null=True)
    data_class = serializers.ChoiceField(DataClass.choices, allow_null=True)
    worst_tier = serializers.IntegerField(allow_null=True)
    worst_class = serializers.ChoiceField(DataClass.choices, allow_null=True)
    certified_until = serializers.DateTimeField(allow_null=True)


class GraphEdgeSerializer(serializers.Serializer[Any]):
    source = serializers.CharField()  # type: ignore[assignment]
    target = serializers.CharField()
    relation = serializers.CharField()
    origins = serializers.ListField(child=serializers.CharField())
    calls = serializers.IntegerField()
    last_seen = serializers.DateTimeField(allow_null=True)


class GraphAnswer(serializers.Serializer[Any]):
    """`is_cut`: there is more than was read."""

    focus = serializers.CharField(allow_null=True)
    is_cut = serializers.BooleanField()
    nodes = GraphNodeSerializer(many=True)
    edges = GraphEdgeSerializer(many=True)


class ImpactAnswer(serializers.Serializer[Any]):
    """What stopping or changing the focus reaches. `by_tier` counts agents; `certified` lists the ids of agents whose
    certification rests on it."""

    agents = serializers.ListField(child=serializers.CharField())
    in_production = serializers.IntegerField()
    by_tier = serializers.DictField(child=serializers.IntegerField())
    certified = serializers.ListField(child=serializers.CharField())
    graph = GraphAnswer()


class GraphView(APIView):
    """What is around one thing."""

    permissions = {"GET": Permission.AGENTS_VIEW}

    @extend_schema(parameters=[GraphQuery], responses=GraphAnswer)
    def get(self, request: Request) -> Response:
        asked = _asked(request)
        found = graphs.neighbourhood(
            _key(asked["focus"]), actor=actor_of(request), direction=asked["direction"], hops=asked["hops"],
            since_days=asked["days"],
        )  # fmt: skip
        return Response(as_json(_there(found)))


class ImpactView(APIView):
    """Everything that needs one thing, over every hop."""

    permissions = {"GET": Permission.AGENTS_VIEW}

    @extend_schema(
        parameters=[
            OpenApiParameter("focus", OpenApiTypes.STR, required=True),
            OpenApiParameter("days", int),
        ],
        responses=ImpactAnswer,
    )
    def get(self, request: Request) -> Response:
        asked = _asked(request)
        found, impact = graphs.impact_of(
            _key(asked["focus"]), actor=actor_of(request), since_days=asked["days"]
        )
        _there(found)
        return Response(
            {
                "agents": [str(node.id) for node in impact.agents],
                "in_production": impact.in_production,
                "by_tier": {str(tier): count for tier, count in impact.by_tier.items()},
                "certified": [str(node.id) for node in impact.certified],
                "graph": as_json(found),
            }
        )


def _asked(request: Request) -> dict[str, Any]:
    return validated(GraphQuery(data=request.query_params))


def _key(text: str) -> Key:
    kind, _, pk = text.partition(":")
    try:
        return NodeKind(kind).value, UUID(pk)
    except ValueError as error:
        kinds = ", ".join(NodeKind.values)
        raise InvalidInput(
            "Nothing was looked up.", fields={"focus": f"Send kind:id, the kind one of {kinds}"}
        ) from error


def _there(found: Graph) -> Graph:
    if found.focus not in found.nodes:
        raise NotFound("There is nothing of this id.")
    return found
