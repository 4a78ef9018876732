"""What agents are made of and what they use, over REST."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

import django_filters
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.agents.api import record_serializers as shapes
from apps.agents.api.scoped import agent_for
from apps.agents.api.serializers import AgentSerializer
from apps.agents.fields import FIELDS, restored
from apps.agents.models import (
    ASSETS,
    Agent,
    AgentVersion,
    Asset,
    Claim,
    DataSource,
    Dependency,
    ModelEndpoint,
    PredictiveModel,
    System,
    Tool,
    ToolGrant,
)
from apps.agents.queries import edges_visible_to
from apps.agents.services.catalogue import edit_asset, register_asset, remove_asset
from apps.agents.services.claims import Source, settle, state_claims
from apps.agents.services.dependencies import Node, declare_dependency, withdraw_dependency
from apps.agents.services.grants import GrantRequest, grant_tool, revoke_grant
from apps.agents.services.versions import record_version
from apps.agents.versions import Makeup
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import ReasonWrite
from apps.identity.roles import Permission
from apps.kit.errors import InvalidInput
from apps.kit.rest.etags import check_if_match, etag_of
from apps.kit.rest.paging import CursorPage
from apps.kit.rest.reading import body_of

SEEN = {"list": Permission.AGENTS_VIEW, "retrieve": Permission.AGENTS_VIEW}
CURATED = {
    "create": Permission.AGENTS_CURATE,
    "partial_update": Permission.AGENTS_CURATE,
    "destroy": Permission.AGENTS_CURATE,
}


class AssetFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(method="by_words", label="Part of its name")

    def by_words(self, assets: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        columns = {field.name for field in assets.model._meta.fields}
        named = [column for column in ("name", "server", "provider", "model") if column in columns]
        condition = Q()
        for column in named:
            condition |= Q(**{f"{column}__icontains": value})
        return assets.filter(condition)


class AssetViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Any]):
    """One kind of the catalogue. Subclasses name the kind and its shapes."""

    kind: ClassVar[str]
    write_shape: ClassVar[type[shapes.AssetWrite]]
    permissions = SEEN | CURATED
    filterset_class = AssetFilter
    pagination_class = CursorPage
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Any]:
        catalogue: Any = ASSETS[self.kind]
        return catalogue.objects.visible_to(actor_of(self.request)).select_related("owner", "team")

    def retrieve(self, request: Request, pk: UUID) -> Response:
        return self._answer(self.get_object())

    @idempotent
    def create(self, request: Request) -> Response:
        values = body_of(request, self.write_shape)
        return self._answer(register_asset(self.kind, values, actor=actor_of(request)), status=201)

    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Needs If-Match with the ETag that was read."""
        asset = self.get_object()
        check_if_match(request, asset, required=True)
        values = body_of(request, self.write_shape, partial=True)
        return self._answer(
            edit_asset(self.kind, asset.pk, values, version=asset.version, actor=actor_of(request))
        )

    def destroy(self, request: Request, pk: UUID) -> Response:
        """Refused while anything depends on it."""
        reason = request.query_params.get("reason", "")
        remove_asset(self.kind, self.get_object().pk, actor=actor_of(request), reason=reason)
        return Response(status=204)

    def _answer(self, asset: Asset, status: int = 200) -> Response:
        response = Response(self.get_serializer(asset).data, status=status)
        response["ETag"] = etag_of(asset)
        return response


def _documented(shape: type[shapes.AssetWrite], answer: type[shapes.AssetSerializer]) -> Any:
    return extend_schema_view(
        create=extend_schema(request=shape, responses={201: answer}),
        partial_update=extend_schema(request=shape, responses=answer),
        destroy=extend_schema(parameters=[OpenApiParameter("reason", str)]),
    )


@_documented(shapes.ToolWrite, shapes.ToolSerializer)
class ToolViewSet(AssetViewSet):
    """Tools: what agents call by name."""

    kind, write_shape = "tool", shapes.ToolWrite
    serializer_class = shapes.ToolSerializer
    queryset = Tool.objects.none()

    def get_queryset(self) -> QuerySet[Any]:
        return super().get_queryset().prefetch_related("operations")


@_documented(shapes.ModelEndpointWrite, shapes.ModelEndpointSerializer)
class ModelEndpointViewSet(AssetViewSet):
    """Models as providers serve them."""

    kind, write_shape = "model", shapes.ModelEndpointWrite
    serializer_class = shapes.ModelEndpointSerializer
    queryset = ModelEndpoint.objects.none()


@_documented(shapes.PredictiveModelWrite, shapes.PredictiveModelSerializer)
class PredictiveModelViewSet(AssetViewSet):
    """Models under MLOps that agents use as tools."""

    kind, write_shape = "predictive_model", shapes.PredictiveModelWrite
    serializer_class = shapes.PredictiveModelSerializer
    queryset = PredictiveModel.objects.none()


@_documented(shapes.DataSourceWrite, shapes.DataSourceSerializer)
class DataSourceViewSet(AssetViewSet):
    """Data that agents read or write."""

    kind, write_shape = "data_source", shapes.DataSourceWrite
    serializer_class = shapes.DataSourceSerializer
    queryset = DataSource.objects.none()


@_documented(shapes.SystemWrite, shapes.SystemSerializer)
class SystemViewSet(AssetViewSet):
    """Applications, platforms and business services."""

    kind, write_shape = "system", shapes.SystemWrite
    serializer_class = shapes.SystemSerializer
    queryset = System.objects.none()


class DependencyFilter(django_filters.FilterSet):
    source = django_filters.UUIDFilter(field_name="source_id")
    target = django_filters.UUIDFilter(field_name="target_id")
    relation = django_filters.ChoiceFilter(choices=Dependency.Relation.choices)
    origin = django_filters.CharFilter()


class DependencyViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Dependency]
):
    """What depends on what."""

    serializer_class = shapes.DependencySerializer
    filterset_class = DependencyFilter
    pagination_class = CursorPage
    lookup_value_converter = "int"
    permissions = SEEN | {"create": Permission.AGENTS_CURATE, "destroy": Permission.AGENTS_CURATE}
    queryset = Dependency.objects.none()

    def get_queryset(self) -> QuerySet[Dependency]:
        return edges_visible_to(actor_of(self.request))

    @extend_schema(request=shapes.DependencyWrite, responses={201: shapes.DependencySerializer})
    @idempotent
    def create(self, request: Request) -> Response:
        """State that `source` needs `target`. Stating it again is the same dependency."""
        body = body_of(request, shapes.DependencyWrite)
        edge = declare_dependency(
            Node(**body["source"]), Node(**body["target"]), body["relation"], actor=actor_of(request)
        )
        return Response(self.get_serializer(edge).data, status=201)

    @extend_schema(parameters=[OpenApiParameter("reason", str)])
    def destroy(self, request: Request, pk: int) -> Response:
        """Take back what was stated; what was seen in traffic stays."""
        withdraw_dependency(
            self.get_object(), actor=actor_of(request), reason=request.query_params.get("reason", "")
        )
        return Response(status=204)


class OfAgentViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Any]):
    """Rows below /agents/{agent_id}: the agent through its door first."""

    filterset_class: Any = None
    pagination_class = CursorPage

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.agent: Agent = agent_for(request, kwargs["agent_id"])


class GrantViewSet(OfAgentViewSet):
    """Tools an agent was given leave to use, with what was taken back."""

    serializer_class = shapes.GrantSerializer
    permissions = {
        "list": Permission.AGENTS_VIEW,
        "create": Permission.POLICY_EDIT,
        "revoke": Permission.POLICY_EDIT,
    }
    queryset = ToolGrant.objects.none()

    def get_queryset(self) -> QuerySet[ToolGrant]:
        rows = ToolGrant.objects.visible_to(actor_of(self.request)).filter(agent_id=self.kwargs["agent_id"])
        return rows.select_related("tool", "granted_by", "revoked_by", "agent")

    @extend_schema(request=shapes.GrantWrite, responses={201: shapes.GrantSerializer})
    @idempotent
    def create(self, request: Request, agent_id: UUID) -> Response:
        """Allow the agent a tool; a grant of it that stands is replaced."""
        grant = grant_tool(
            self.agent, GrantRequest(**body_of(request, shapes.GrantWrite)), actor=actor_of(request)
        )
        return Response(self.get_serializer(grant).data, status=201)

    @extend_schema(request=ReasonWrite, responses=shapes.GrantSerializer)
    @action(detail=True, methods=["post"])
    @idempotent
    def revoke(self, request: Request, agent_id: UUID, pk: UUID) -> Response:
        """Take a grant back."""
        grant = get_object_or_404(self.get_queryset(), pk=pk)
        reason = body_of(request, ReasonWrite)["reason"]
        return Response(self.get_serializer(revoke_grant(grant, reason=reason, actor=actor_of(request))).data)


class VersionViewSet(OfAgentViewSet):
    """What an agent was made of, version by version."""

    serializer_class = shapes.VersionSerializer
    permissions = {"list": Permission.AGENTS_VIEW, "create": Permission.AGENTS_CURATE}
    queryset = AgentVersion.objects.none()

    def get_queryset(self) -> QuerySet[AgentVersion]:
        return AgentVersion.objects.visible_to(actor_of(self.request)).filter(
            agent_id=self.kwargs["agent_id"]
        )

    @extend_schema(request=shapes.VersionWrite, responses={201: shapes.VersionSerializer})
    @idempotent
    def create(self, request: Request, agent_id: UUID) -> Response:
        """Say what the agent is made of now. The same makeup again is the same version."""
        body = body_of(request, shapes.VersionWrite)
        label, since = body.pop("label"), body.pop("since")
        version = record_version(
            self.agent, Makeup(**body), label=label, since=since, actor=actor_of(request)
        )
        return Response(self.get_serializer(version).data, status=201)


class ClaimViewSet(OfAgentViewSet):
    """What each source says of an agent, field by field."""

    serializer_class = shapes.ClaimSerializer
    permissions = {
        "list": Permission.AGENTS_VIEW,
        "create": Permission.AGENTS_CURATE,
        "settle": Permission.AGENTS_CURATE,
    }
    queryset = Claim.objects.none()

    def get_queryset(self) -> QuerySet[Claim]:
        rows = Claim.objects.visible_to(actor_of(self.request)).filter(agent_id=self.kwargs["agent_id"])
        return rows.select_related("stated_by", "agent")

    @extend_schema(request=shapes.ClaimsWrite, responses=AgentSerializer)
    @idempotent
    def create(self, request: Request, agent_id: UUID) -> Response:
        """Take a source's word. The record changes where no stronger source says otherwise."""
        body = body_of(request, shapes.ClaimsWrite)
        source = Source(body["origin"], body["source"])
        agent = state_claims(self.agent, source, _values(body["values"]), actor=actor_of(request))
        return Response(AgentSerializer(agent).data)

    @extend_schema(request=shapes.SettleWrite, responses=AgentSerializer)
    @action(detail=True, methods=["post"])
    @idempotent
    def settle(self, request: Request, agent_id: UUID, pk: int) -> Response:
        """End a contradiction: take this claim's value, or keep what is shown."""
        claim = get_object_or_404(self.get_queryset(), pk=pk)
        body = body_of(request, shapes.SettleWrite)
        agent = settle(claim, take=body["take"], reason=body["reason"], actor=actor_of(request))
        return Response(AgentSerializer(agent).data)


def _values(values: dict[str, Any]) -> dict[str, Any]:
    """Relations by id as what they name; InvalidInput where there is none."""
    found, problems = {}, {}
    for name, value in values.items():
        try:
            found[name] = restored(name, value)
        except ValueError:
            found[name] = None
        if FIELDS[name].is_relation and value is not None and found[name] is None:
            problems[f"values.{name}"] = "There is none of this id"
    if problems:
        raise InvalidInput("Nothing was taken over.", fields=problems)
    return found
