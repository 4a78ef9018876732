"""Erasure of one person's data over REST."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.activity.erasure.services import (
    LONGEST_CONVERSATION,
    MOST_CONVERSATIONS,
    MOST_IDENTIFIERS,
    Asked,
    cancel_erasure,
    confirm_erasure,
    request_erasure,
)
from apps.activity.models import Erasure
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import PrincipalRef
from apps.identity.roles import Permission
from apps.kit.rest.reading import body_of


class ErasureWrite(serializers.Serializer[Asked]):
    """Each identifier as people write it; case, spaces and the punctuation of numbers make no difference.

    Of `conversations` all content goes, whatever it says. The reason must not name the person.
    """

    identifiers = serializers.ListField(
        child=serializers.CharField(max_length=200), min_length=1, max_length=MOST_IDENTIFIERS
    )
    conversations = serializers.ListField(
        child=serializers.CharField(max_length=LONGEST_CONVERSATION),
        max_length=MOST_CONVERSATIONS, required=False, default=list,
    )  # fmt: skip
    reason = serializers.CharField(max_length=2000)


class ErasureSerializer(serializers.ModelSerializer[Erasure]):
    """`digests` are keyed hashes of the identifiers. `found` and `erased` count records by table; what is found in
    `identity_ledgerentry` stays. `round` is 0 while it looks, 1 and 2 while it erases, `seen` of about `expected`
    records in each."""

    asked_by = PrincipalRef(read_only=True)
    confirmed_by = PrincipalRef(read_only=True, allow_null=True)
    found = serializers.DictField(child=serializers.IntegerField(), read_only=True)
    erased = serializers.DictField(child=serializers.IntegerField(), read_only=True)

    class Meta:
        model = Erasure
        fields = [
            "id", "state", "reason", "asked_by", "asked_at", "confirmed_by", "confirmed_at", "finished_at", "digests",
            "conversations", "found", "erased", "round", "place", "seen", "expected", "fault",
        ]  # fmt: skip
        read_only_fields = fields


class ErasureViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Erasure]):
    """One person's data over all activity, whatever team it is of: counted first, erased once that is confirmed."""

    serializer_class = ErasureSerializer
    lookup_value_converter = "uuid"
    permissions = {
        "list": Permission.LEDGER_VIEW, "retrieve": Permission.LEDGER_VIEW, "create": Permission.RECORDING_MANAGE,
        "confirm": Permission.RECORDING_MANAGE, "cancel": Permission.RECORDING_MANAGE,
    }  # fmt: skip
    queryset = Erasure.objects.none()

    def get_queryset(self) -> QuerySet[Erasure]:
        rows = Erasure.objects.visible_to(actor_of(self.request))
        return rows.select_related("asked_by", "confirmed_by").order_by("-id")

    @extend_schema(request=ErasureWrite, responses={201: ErasureSerializer})
    @idempotent
    def create(self, request: Request) -> Response:
        """Begin to look for a person's data; poll until its state is `ready`. Nothing is changed by this."""
        told = body_of(request, ErasureWrite)
        asked = Asked(told["identifiers"], told["conversations"])
        erasure = request_erasure(asked, reason=told["reason"], actor=actor_of(request))
        return Response(self.get_serializer(erasure).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=ErasureSerializer)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: Any = None) -> Response:
        """Erase what was found. It cannot be undone."""
        return self._told(confirm_erasure(self.get_object(), actor=actor_of(request)))

    @extend_schema(request=None, responses=ErasureSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: Any = None) -> Response:
        """End it and forget the identifiers; what was erased already stays erased."""
        return self._told(cancel_erasure(self.get_object(), actor=actor_of(request)))

    def _told(self, erasure: Erasure) -> Response:
        return Response(self.get_serializer(erasure).data)
