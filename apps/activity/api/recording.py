"""What is recorded, how long it is kept and what was archived, over REST."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.activity.models import ArchiveFile, RetentionRule
from apps.activity.recording.current import current_policy
from apps.activity.recording.policy import CHOICES, Rule
from apps.activity.recording.services import MOST_RULES, set_content_policy
from apps.activity.retention.services import MOST_DAYS, Kept, set_retention
from apps.agents.models import DataClass
from apps.identity.api.actor import actor_of
from apps.identity.roles import Permission
from apps.kit.rest.reading import body_of


class RuleShape(serializers.Serializer[Rule]):
    """What is named has to fit; of the rules that fit the strictest holds."""

    mode = serializers.ChoiceField(CHOICES)
    team = serializers.CharField(max_length=36, required=False, allow_blank=True, default="")
    tier = serializers.IntegerField(min_value=1, max_value=4, required=False, allow_null=True, default=None)
    data_class = serializers.ChoiceField(DataClass.choices, required=False, allow_blank=True, default="")


class RecordingShape(serializers.Serializer[object]):
    """`number` 0: nobody set a policy, everything is recorded."""

    number = serializers.IntegerField(read_only=True)
    default = serializers.ChoiceField(CHOICES)
    rules = RuleShape(many=True)


class RecordingWrite(serializers.Serializer[object]):
    """A whole new version. `after` is the number that was read; 409 when it is not the newest any more."""

    default = serializers.ChoiceField(CHOICES)
    rules = serializers.ListField(child=RuleShape(), max_length=MOST_RULES, required=False, default=list)
    after = serializers.IntegerField(min_value=0, required=False, allow_null=True, default=None)
    reason = serializers.CharField(max_length=2000)


class RecordingView(APIView):
    """What of content is recorded: of whose agents and of which data."""

    permissions = {"GET": Permission.LEDGER_VIEW, "POST": Permission.RECORDING_MANAGE}

    @extend_schema(responses=RecordingShape)
    def get(self, request: Request) -> Response:
        return self._told()

    @extend_schema(request=RecordingWrite, responses=RecordingShape)
    def post(self, request: Request) -> Response:
        told = body_of(request, RecordingWrite)
        rules = [Rule(**rule) for rule in told["rules"]]
        set_content_policy(
            told["default"], rules, reason=told["reason"], after=told["after"], actor=actor_of(request)
        )
        return self._told()

    def _told(self) -> Response:
        return Response(RecordingShape(current_policy()).data)


class RetentionShape(serializers.ModelSerializer[RetentionRule]):
    """`days` null: kept without an end. Nothing from before `done_before` is left."""

    class Meta:
        model = RetentionRule
        fields = ["of", "days", "is_archived", "done_before", "updated_at"]


class RetentionWrite(serializers.Serializer[Kept]):
    of = serializers.ChoiceField(RetentionRule.Of.choices)
    days = serializers.IntegerField(min_value=1, max_value=MOST_DAYS, allow_null=True)
    is_archived = serializers.BooleanField(required=False, default=False)
    reason = serializers.CharField(max_length=2000)


class RetentionView(APIView):
    """How long each class of records is kept; a class that is not listed is kept without an end."""

    permissions = {"GET": Permission.LEDGER_VIEW, "POST": Permission.RECORDING_MANAGE}

    @extend_schema(responses=RetentionShape(many=True), operation_id="retention_list")
    def get(self, request: Request) -> Response:
        return Response(RetentionShape(RetentionRule.objects.order_by("of"), many=True).data)

    @extend_schema(request=RetentionWrite, responses=RetentionShape)
    def post(self, request: Request) -> Response:
        told = body_of(request, RetentionWrite)
        kept = Kept(told["of"], told["days"], told["is_archived"])
        rule = set_retention(kept, reason=told["reason"], actor=actor_of(request))
        return Response(RetentionShape(rule).data)


class ArchiveFileSerializer(serializers.ModelSerializer[ArchiveFile]):
    class Meta:
        model = ArchiveFile
        fields = ["id", "table", "day", "name", "rows", "size", "sha256", "written_at", "replaced_by"]


class ArchiveFileViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[ArchiveFile]):
    """The manifest of the archive, newest days first. Each digest is in the ledger too."""

    serializer_class = ArchiveFileSerializer
    permissions = {"list": Permission.LEDGER_VIEW}
    queryset = ArchiveFile.objects.order_by("-day", "-id")
