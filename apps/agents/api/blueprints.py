"""Blueprints over REST."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.agents.api import blueprint_serializers as shapes
from apps.agents.api.record_serializers import GrantWrite
from apps.agents.models import Blueprint, BlueprintGrant
from apps.agents.queries.blueprints import counted_blueprints
from apps.agents.services.blueprint_grants import grant_to_blueprint, revoke_from_blueprint
from apps.agents.services.blueprints import (
    Definition,
    create_blueprint,
    edit_blueprint,
    remove_blueprint,
)
from apps.agents.services.grants import GrantRequest
from apps.agents.services.instances import (
    NewInstance,
    attach_agents,
    detach_agents,
    make_instances,
    take_definition,
)
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import ReasonWrite
from apps.identity.roles import Permission
from apps.kit.rest.etags import check_if_match, etag_of
from apps.kit.rest.paging import CursorPage
from apps.kit.rest.reading import body_of

CURATE = Permission.AGENTS_CURATE


class BlueprintPage(CursorPage):
    ordering = ("name", "id")


class BlueprintViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Blueprint]):
    """One definition of an agent with many instances. Its instances: `GET /agents?blueprint=<id>`."""

    serializer_class = shapes.BlueprintSerializer
    pagination_class = BlueprintPage
    filterset_class: Any = None
    lookup_value_converter = "uuid"
    permissions = {
        "list": Permission.AGENTS_VIEW, "retrieve": Permission.AGENTS_VIEW, "create": CURATE, "partial_update": CURATE,
        "destroy": CURATE, "instances": CURATE, "attach": CURATE, "detach": CURATE, "take": CURATE,
    }  # fmt: skip
    queryset = Blueprint.objects.none()

    def get_queryset(self) -> QuerySet[Blueprint]:
        return counted_blueprints(actor_of(self.request))

    def retrieve(self, request: Request, pk: UUID) -> Response:
        return self._answer(self.get_object())

    @extend_schema(request=shapes.BlueprintWrite, responses={201: shapes.BlueprintSerializer})
    @idempotent
    def create(self, request: Request) -> Response:
        body = body_of(request, shapes.BlueprintWrite)
        made = create_blueprint(_definition(body), actor=actor_of(request))
        return self._answer(self.get_queryset().get(pk=made.pk), status=201)

    @extend_schema(request=shapes.BlueprintWrite, responses=shapes.ActAnswer)
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Change the definition; every instance follows where nobody said otherwise of it. `values`, where given, is the
        whole of it. Needs If-Match with the ETag that was read."""
        found = self.get_object()
        check_if_match(request, found, required=True)
        stands = shapes.definition_of(found)
        body = stands | body_of(request, shapes.BlueprintWrite, partial=True)
        act = edit_blueprint(
            found,
            _definition(body),
            version=found.version,
            reason=body.get("reason", ""),
            actor=actor_of(request),
        )
        response = shapes.answer_of(act)
        response["ETag"] = etag_of(act.blueprint)
        return response

    @extend_schema(parameters=[OpenApiParameter("reason", str)])
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Refused while it has instances."""
        reason = request.query_params.get("reason", "")
        remove_blueprint(self.get_object(), actor=actor_of(request), reason=reason)
        return Response(status=204)

    @extend_schema(request=shapes.InstancesWrite, responses=shapes.ActAnswer)
    @action(detail=True, methods=["post"])
    @idempotent
    def instances(self, request: Request, pk: UUID) -> Response:
        """Make up to 500 instances as drafts. The name is the key: one that is there already is left as it is."""
        found, body = self.get_object(), body_of(request, shapes.InstancesWrite)
        wanted = [NewInstance(one.pop("name"), one) for one in body["instances"]]
        return shapes.answer_of(make_instances(found, wanted, reason=body["reason"], actor=actor_of(request)))

    @extend_schema(request=shapes.AgentsWrite, responses=shapes.ActAnswer)
    @action(detail=True, methods=["post"])
    @idempotent
    def attach(self, request: Request, pk: UUID) -> Response:
        """Make agents on record instances."""
        found, body = self.get_object(), body_of(request, shapes.AgentsWrite)
        return shapes.answer_of(
            attach_agents(found, body["agents"], reason=body["reason"], actor=actor_of(request))
        )

    @extend_schema(request=shapes.AgentsWrite, responses=shapes.ActAnswer)
    @action(detail=True, methods=["post"])
    @idempotent
    def detach(self, request: Request, pk: UUID) -> Response:
        """Let instances go their own way; a reason is needed."""
        found, body = self.get_object(), body_of(request, shapes.AgentsWrite)
        return shapes.answer_of(
            detach_agents(found, body["agents"], reason=body["reason"], actor=actor_of(request))
        )

    @extend_schema(request=shapes.TakeDefinitionWrite, responses=shapes.ActAnswer)
    @action(detail=True, methods=["post"])
    @idempotent
    def take(self, request: Request, pk: UUID) -> Response:
        """Have instances show the definition's value on these fields again."""
        found, body = self.get_object(), body_of(request, shapes.TakeDefinitionWrite)
        act = take_definition(
            found, body["agents"], body["fields"], reason=body["reason"], actor=actor_of(request)
        )
        return shapes.answer_of(act)

    def _answer(self, found: Blueprint, status: int = 200) -> Response:
        response = Response(self.get_serializer(found).data, status=status)
        response["ETag"] = etag_of(found)
        return response


class BlueprintGrantViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[BlueprintGrant]):
    """Tools that every instance may use, with what was taken back."""

    serializer_class = shapes.BlueprintGrantSerializer
    filterset_class: Any = None
    pagination_class = CursorPage
    permissions = {
        "list": Permission.AGENTS_VIEW,
        "create": Permission.POLICY_EDIT,
        "revoke": Permission.POLICY_EDIT,
    }
    queryset = BlueprintGrant.objects.none()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.blueprint = blueprint_for(request, kwargs["blueprint_id"])

    def get_queryset(self) -> QuerySet[BlueprintGrant]:
        rows = BlueprintGrant.objects.visible_to(actor_of(self.request)).filter(
            blueprint_id=self.kwargs["blueprint_id"]
        )
        return rows.select_related("tool", "granted_by", "revoked_by")

    @extend_schema(request=GrantWrite, responses={201: shapes.ActAnswer})
    @idempotent
    def create(self, request: Request, blueprint_id: UUID) -> Response:
        """Give every instance leave to use a tool, those to come included."""
        asked = GrantRequest(**body_of(request, GrantWrite))
        return shapes.answer_of(
            grant_to_blueprint(self.blueprint, asked, actor=actor_of(request)), status=201
        )

    @extend_schema(request=ReasonWrite, responses=shapes.ActAnswer)
    @action(detail=True, methods=["post"])
    @idempotent
    def revoke(self, request: Request, blueprint_id: UUID, pk: UUID) -> Response:
        """Take it back from every instance."""
        grant = get_object_or_404(self.get_queryset(), pk=pk)
        reason = body_of(request, ReasonWrite)["reason"]
        return shapes.answer_of(revoke_from_blueprint(grant, reason=reason, actor=actor_of(request)))


def blueprint_for(request: Request, blueprint_id: UUID) -> Blueprint:
    """The blueprint, when the asker may know of it; 404 otherwise."""
    return get_object_or_404(Blueprint.objects.visible_to(actor_of(request)), pk=blueprint_id)


def _definition(body: dict[str, Any]) -> Definition:
    return Definition(body["name"], body.get("description", ""), body.get("team"), body.get("values", {}))
