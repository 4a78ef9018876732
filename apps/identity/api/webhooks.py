"""Webhooks over REST."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import PrincipalRef, ReasonWrite, TeamRef
from apps.identity.models import Team, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from apps.identity.queries import endpoints_visible_to
from apps.identity.roles import Permission
from apps.identity.services import deliveries
from apps.identity.services import webhooks as services
from apps.kit.rest.paging import CursorPage
from apps.kit.rest.reading import body_of


class EndpointSerializer(serializers.ModelSerializer[WebhookEndpoint]):
    """`failing_since`: nothing was taken since then. `disabled_reason` is '' where a person disabled it."""

    team = TeamRef(read_only=True, allow_null=True)
    created_by = PrincipalRef(read_only=True)

    class Meta:
        model = WebhookEndpoint
        fields = [
            "id", "name", "url", "events", "team", "is_enabled", "disabled_at", "disabled_reason", "failing_since",
            "former_until", "created_by", "created_at",
        ]  # fmt: skip


class EndpointWrite(serializers.Serializer[Any]):
    """`events` are action codes of the ledger; `*` and `agents.*` stand for whatever follows."""

    name = serializers.CharField(max_length=120)
    url = serializers.URLField(max_length=500)
    events = serializers.ListField(child=serializers.CharField(max_length=80), max_length=50)
    team = serializers.PrimaryKeyRelatedField(
        queryset=Team.objects.all(), required=False, allow_null=True, default=None
    )


class EndpointSecret(EndpointSerializer):
    """The only answer that carries the secret."""

    secret = serializers.CharField(read_only=True)

    class Meta(EndpointSerializer.Meta):
        fields = [*EndpointSerializer.Meta.fields, "secret"]


class AttemptSerializer(serializers.ModelSerializer[WebhookAttempt]):
    class Meta:
        model = WebhookAttempt
        fields = ["at", "status", "duration_ms", "error", "answer"]


class DeliverySerializer(serializers.ModelSerializer[WebhookDelivery]):
    """`entry` is the ledger entry it tells of, null for a test."""

    tries = AttemptSerializer(many=True, read_only=True)

    class Meta:
        model = WebhookDelivery
        fields = [
            "id", "action", "message_id", "entry", "cause", "state", "attempts", "due_at", "created_at", "settled_at",
            "tries",
        ]  # fmt: skip


class ReplayWrite(serializers.Serializer[Any]):
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()


class ReplayAnswer(serializers.Serializer[Any]):
    deliveries = serializers.IntegerField()


class ByName(CursorPage):
    ordering = ("name", "id")


class WebhookViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[WebhookEndpoint]
):
    """Addresses that are told of acts, signed as Standard Webhooks."""

    serializer_class = EndpointSerializer
    pagination_class = ByName
    lookup_value_converter = "uuid"
    permissions = {"list": Permission.OUTGOING_VIEW, "retrieve": Permission.OUTGOING_VIEW, "log": Permission.OUTGOING_VIEW} | dict.fromkeys(
        ("create", "partial_update", "destroy", "rotate", "enable", "disable", "test", "replay", "replay_one"),
        Permission.OUTGOING_MANAGE,
    )  # fmt: skip
    queryset = WebhookEndpoint.objects.none()

    def get_queryset(self) -> QuerySet[WebhookEndpoint]:
        return endpoints_visible_to(actor_of(self.request))

    @extend_schema(request=EndpointWrite, responses={201: EndpointSecret})
    def create(self, request: Request) -> Response:
        """Add one. The secret is in this answer only, so the request is not replayed for an Idempotency-Key."""
        draft = services.EndpointDraft(**body_of(request, EndpointWrite))
        return _secret(services.create_endpoint(draft, actor=actor_of(request)), 201)

    @extend_schema(request=EndpointWrite, responses=EndpointSerializer)
    def partial_update(self, request: Request, pk: UUID) -> Response:
        endpoint = self.get_object()
        known = {name: getattr(endpoint, name) for name in ("name", "url", "events", "team")}
        draft = services.EndpointDraft(**known | body_of(request, EndpointWrite, partial=True))
        return self._answer(services.edit_endpoint(endpoint, draft, actor=actor_of(request)))

    @extend_schema(request=ReasonWrite, responses={204: None})
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Its delivery log goes with it."""
        services.remove_endpoint(self.get_object(), actor=actor_of(request), **body_of(request, ReasonWrite))
        return Response(status=204)

    @extend_schema(request=None, responses=EndpointSecret)
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate(self, request: Request, pk: UUID) -> Response:
        """A new secret; the former one signs too for a day."""
        return _secret(services.rotate_secret(self.get_object(), actor=actor_of(request)), 200)

    @extend_schema(request=None, responses=EndpointSerializer)
    @action(detail=True, methods=["post"])
    @idempotent
    def enable(self, request: Request, pk: UUID) -> Response:
        return self._answer(services.enable_endpoint(self.get_object(), actor=actor_of(request)))

    @extend_schema(request=ReasonWrite, responses=EndpointSerializer)
    @action(detail=True, methods=["post"])
    @idempotent
    def disable(self, request: Request, pk: UUID) -> Response:
        body = body_of(request, ReasonWrite)
        return self._answer(services.disable_endpoint(self.get_object(), actor=actor_of(request), **body))

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"])
    @idempotent
    def test(self, request: Request, pk: UUID) -> Response:
        """Send an event of the type webhook.test, once."""
        made = deliveries.send_test(self.get_object(), actor=actor_of(request))
        return Response(DeliverySerializer(made).data, status=202)

    @extend_schema(request=ReplayWrite, responses={202: ReplayAnswer})
    @action(detail=True, methods=["post"])
    @idempotent
    def replay(self, request: Request, pk: UUID) -> Response:
        """Send every event of a span of time again, at most 10,000."""
        body = body_of(request, ReplayWrite)
        count = deliveries.replay_range(
            self.get_object(), body["since"], body["until"], actor=actor_of(request)
        )
        return Response(ReplayAnswer({"deliveries": count}).data, status=202)

    @extend_schema(responses=DeliverySerializer(many=True))
    @action(detail=True, url_path="deliveries")
    def log(self, request: Request, pk: UUID) -> Response:
        """The delivery log, newest first, with every attempt."""
        rows, paginator = deliveries.deliveries_of(self.get_object()), CursorPage()
        page = paginator.paginate_queryset(rows, request, self)
        return paginator.get_paginated_response(DeliverySerializer(page, many=True).data)

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"], url_path="deliveries/<uuid:delivery_id>/replay")
    @idempotent
    def replay_one(self, request: Request, pk: UUID, delivery_id: UUID) -> Response:
        """Send one event again."""
        known = get_object_or_404(self.get_object().deliveries, pk=delivery_id)
        made = deliveries.replay_delivery(known, actor=actor_of(request))
        return Response(DeliverySerializer(made).data, status=202)

    def _answer(self, endpoint: WebhookEndpoint) -> Response:
        return Response(self.get_serializer(endpoint).data)


def _secret(made: services.MadeEndpoint, status: int) -> Response:
    made.endpoint.secret = made.secret  # on this instance only: the row keeps it sealed
    response = Response(EndpointSecret(made.endpoint).data, status=status)
    response["Cache-Control"] = "no-store"
    return response
