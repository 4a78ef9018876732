"""Identity over REST: who am I, people, teams, API keys, the ledger."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.identity import queries
from apps.identity.api import serializers as shapes
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.permissions import SignedIn
from apps.identity.filters import ApiKeyFilter, LedgerFilter
from apps.identity.models import ApiKey, LedgerCheckpoint, LedgerEntry, Principal, Team
from apps.identity.roles import Permission, Scope
from apps.identity.services.accounts import deactivate_person, reactivate_person, reset_password
from apps.identity.services.keys import KeyRequest, MintedKey, mint_key, mint_source_key, revoke_key
from apps.identity.services.people import assign_role, create_person, create_team, edit_team, withdraw_role
from apps.kit.errors import InvalidInput
from apps.kit.rest.paging import CursorPage
from apps.kit.rest.reading import body_of


class ByName(CursorPage):
    ordering = ("name", "id")


class BySize(CursorPage):
    ordering = "-tree_size"


class MeView(APIView):
    """Who is asking, as Chancery sees it."""

    permission_classes = [SignedIn]

    @extend_schema(responses=shapes.MeSerializer)
    def get(self, request: Request) -> Response:
        return Response(shapes.MeSerializer(actor_of(request)).data)


class PersonViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Principal]):
    """People and the roles they hold."""

    serializer_class = shapes.PersonSerializer
    pagination_class = ByName
    permissions = {
        "list": Permission.IDENTITY_VIEW,
        "retrieve": Permission.IDENTITY_VIEW,
        "create": Permission.IDENTITY_MANAGE,
        "give_role": Permission.IDENTITY_MANAGE,
        "withdraw": Permission.IDENTITY_MANAGE,
        "deactivate": Permission.IDENTITY_MANAGE,
        "reactivate": Permission.IDENTITY_MANAGE,
        "reset_password": Permission.IDENTITY_MANAGE,
    }
    queryset = Principal.objects.none()

    def get_queryset(self) -> QuerySet[Principal]:
        return queries.people_visible_to(actor_of(self.request))

    @extend_schema(request=shapes.PersonWrite, responses={201: shapes.PersonSerializer})
    @idempotent
    def create(self, request: Request) -> Response:
        body = body_of(request, shapes.PersonWrite)
        person = create_person(
            body["email"], body["name"], job_title=body["job_title"], actor=actor_of(request)
        )
        return Response(self.get_serializer(person.principal).data, status=201)

    @extend_schema(request=shapes.RoleWrite, responses={201: shapes.RoleSerializer})
    @action(detail=True, methods=["post"], url_path="roles")
    @idempotent
    def give_role(self, request: Request, pk: str) -> Response:
        body = body_of(request, shapes.RoleWrite)
        given = assign_role(self.get_object(), body["role"], team=body["team"], actor=actor_of(request))
        return Response(shapes.RoleSerializer(given).data, status=201)

    @extend_schema(request=shapes.ReasonWrite, responses={204: None})
    @action(detail=True, methods=["post"], url_path="roles/<int:role_id>/withdraw")
    def withdraw(self, request: Request, pk: str, role_id: int) -> Response:
        """Take a role back."""
        assignment = get_object_or_404(self.get_object().roles, pk=role_id)
        withdraw_role(assignment, reason=_reason(request), actor=actor_of(request))
        return Response(status=204)

    @extend_schema(request=shapes.ReasonWrite, responses=shapes.PersonSerializer)
    @action(detail=True, methods=["post"])
    @idempotent
    def deactivate(self, request: Request, pk: str) -> Response:
        """Close the account: sessions end and keys are revoked at once."""
        deactivate_person(self.get_object(), reason=_reason(request), actor=actor_of(request))
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=shapes.ReasonWrite, responses=shapes.PersonSerializer)
    @action(detail=True, methods=["post"])
    @idempotent
    def reactivate(self, request: Request, pk: str) -> Response:
        """Open the account again. Its keys stay revoked."""
        reactivate_person(self.get_object(), reason=_reason(request), actor=actor_of(request))
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=shapes.ReasonWrite, responses=shapes.OneTimePassword)
    @action(detail=True, methods=["post"], url_path="reset-password")
    def reset_password(self, request: Request, pk: str) -> Response:
        """A password that is in this answer only and has to be changed at the next sign-in."""
        once = reset_password(self.get_object(), reason=_reason(request), actor=actor_of(request))
        response = Response(shapes.OneTimePassword({"password": once}).data)
        response["Cache-Control"] = "no-store"
        return response


class TeamViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Team]):
    """Teams, the units that own agents."""

    serializer_class = shapes.TeamSerializer
    pagination_class = ByName
    permissions = {
        "list": Permission.AGENTS_VIEW,
        "retrieve": Permission.AGENTS_VIEW,
        "create": Permission.IDENTITY_MANAGE,
        "partial_update": Permission.IDENTITY_MANAGE,
    }
    queryset = Team.objects.none()

    def get_queryset(self) -> QuerySet[Team]:
        return queries.teams_visible_to(actor_of(self.request))

    @extend_schema(request=shapes.TeamSerializer, responses={201: shapes.TeamSerializer})
    @idempotent
    def create(self, request: Request) -> Response:
        body = body_of(request, shapes.TeamSerializer)
        team = create_team(body["name"], parent=body.get("parent"), actor=actor_of(request))
        return Response(self.get_serializer(team).data, status=201)

    @extend_schema(request=shapes.TeamEdit, responses=shapes.TeamSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Rename a team, or place it under another."""
        team, body = self.get_object(), body_of(request, shapes.TeamEdit, partial=True)
        name, parent = body.get("name", team.name), body.get("parent", team.parent)
        return Response(
            self.get_serializer(edit_team(team, name, parent=parent, actor=actor_of(request))).data
        )


class ApiKeyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[ApiKey]):
    """API keys: minted once, shown once, revoked for good."""

    serializer_class = shapes.ApiKeySerializer
    filterset_class = ApiKeyFilter
    permissions = {
        "list": Permission.KEYS_VIEW,
        "retrieve": Permission.KEYS_VIEW,
        "create": Permission.KEYS_MANAGE,
        "revoke": Permission.KEYS_MANAGE,
    }
    queryset = ApiKey.objects.none()

    def get_queryset(self) -> QuerySet[ApiKey]:
        return queries.keys_visible_to(actor_of(self.request))

    @extend_schema(request=shapes.ApiKeyWrite, responses={201: shapes.MintedKeySerializer})
    def create(self, request: Request) -> Response:
        """Mint a key. The token is in this answer only, so the request is not replayed for an
        Idempotency-Key: an answer kept for replay would be a secret kept."""
        minted = self._mint(body_of(request, shapes.ApiKeyWrite), actor_of(request))
        minted.key.token = minted.token  # type: ignore[attr-defined]
        response = Response(shapes.MintedKeySerializer(minted.key).data, status=201)
        response["Cache-Control"] = "no-store"
        return response

    @extend_schema(request=shapes.ReasonWrite, responses=shapes.ApiKeySerializer)
    @action(detail=True, methods=["post"])
    @idempotent
    def revoke(self, request: Request, pk: str) -> Response:
        body = body_of(request, shapes.ReasonWrite)
        key = revoke_key(self.get_object(), actor=actor_of(request), reason=body["reason"])
        return Response(self.get_serializer(key).data)

    def _mint(self, body: dict[str, Any], actor: Principal) -> MintedKey:
        default = [] if body["principal"] else [Scope.INGEST.value]
        request = KeyRequest(body["name"], body.get("scopes", default), body["expires_at"])
        if body["principal"] is None:
            return mint_source_key(request, team=body["team"], actor=actor)
        if body["team"]:
            raise InvalidInput("The key was not made.", fields={"team": "A known principal keeps its team"})
        return mint_key(body["principal"], request, actor=actor)


def _reason(request: Request) -> str:
    reason: str = body_of(request, shapes.ReasonWrite)["reason"]
    return reason


class LedgerEntryViewSet(viewsets.ReadOnlyModelViewSet[LedgerEntry]):
    """Every governed act, newest first."""

    serializer_class = shapes.LedgerEntrySerializer
    filterset_class = LedgerFilter
    permissions = {"list": Permission.LEDGER_VIEW, "retrieve": Permission.LEDGER_VIEW}
    queryset = LedgerEntry.objects.none()

    def get_queryset(self) -> QuerySet[LedgerEntry]:
        return queries.ledger_visible_to(actor_of(self.request))


class LedgerCheckpointViewSet(viewsets.ReadOnlyModelViewSet[LedgerCheckpoint]):
    """Signed statements of the ledger's size and root: keep them outside to prove what was."""

    serializer_class = shapes.LedgerCheckpointSerializer
    pagination_class = BySize
    filterset_class = None
    permissions = {"list": Permission.LEDGER_VIEW, "retrieve": Permission.LEDGER_VIEW}
    queryset = LedgerCheckpoint.objects.all()
