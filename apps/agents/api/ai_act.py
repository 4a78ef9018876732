"""The EU AI Act class over REST: the questions, and an agent's classifications."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.agents.ai_act import Outcome, questionnaire
from apps.agents.api.scoped import agent_for
from apps.agents.models import Agent, AiActClassification
from apps.agents.services.ai_act import LONGEST_REASON, Answer, classify_agent, require_classify
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import PrincipalRef
from apps.identity.roles import Permission
from apps.kit.errors import InvalidInput
from apps.kit.rest.paging import CursorPage
from apps.kit.rest.reading import body_of


class QuestionSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    ask = serializers.CharField()
    reference = serializers.CharField()
    applies_from = serializers.DateField(allow_null=True)
    note = serializers.CharField(allow_blank=True)


class StageSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    title = serializers.CharField()
    note = serializers.CharField()
    questions = QuestionSerializer(many=True)


class QuestionnaireSerializer(serializers.Serializer[Any]):
    version = serializers.CharField()
    stages = StageSerializer(many=True)


class GivenAnswer(serializers.Serializer[Any]):
    answer = serializers.BooleanField()
    reason = serializers.CharField(max_length=LONGEST_REASON)


class ClassificationWrite(serializers.Serializer[Any]):
    """`answers` by question id. Those that do not matter are left out of the record; those that are missing are named."""

    answers = serializers.DictField(child=GivenAnswer())


class StepSerializer(serializers.Serializer[Any]):
    stage = serializers.CharField()
    words = serializers.CharField()
    because = serializers.ListField(child=serializers.CharField())


class AppliesSerializer(serializers.Serializer[Any]):
    day = serializers.DateField()
    words = serializers.CharField()


class ClassificationSerializer(serializers.ModelSerializer[AiActClassification]):
    """Concluded ones have a number; `outcome` is finer than the class on record, `path` the way the answers led."""

    outcome = serializers.ChoiceField([one.value for one in Outcome], allow_null=True, source="walk.outcome")
    role = serializers.CharField(source="walk.role")
    duties = serializers.ListField(child=serializers.CharField(), source="walk.duties")
    derogation = serializers.CharField(source="walk.derogation")
    path = StepSerializer(many=True, source="walk.steps")
    applies = AppliesSerializer(many=True, source="walk.applies")
    open = serializers.SerializerMethodField()
    begun_by = PrincipalRef(read_only=True)
    concluded_by = PrincipalRef(read_only=True, allow_null=True)

    class Meta:
        model = AiActClassification
        fields = [
            "id", "number", "state", "questionnaire", "outcome", "role", "duties", "derogation", "path", "applies", "open",
            "answers", "begun_by", "begun_at", "concluded_by", "concluded_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_open(self, classification: AiActClassification) -> list[str]:
        """Ids of the questions that wait for an answer; empty once decided."""
        return [question.id for question in classification.walk.open]


class QuestionnaireView(APIView):
    """The questions by which an agent finds its class under the EU AI Act, in order."""

    permissions = {"GET": Permission.AGENTS_VIEW}

    @extend_schema(responses=QuestionnaireSerializer)
    def get(self, request: Request) -> Response:
        return Response(QuestionnaireSerializer(questionnaire()).data)


class ClassificationPage(CursorPage):
    ordering = ("-begun_at", "id")


class ClassificationViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[AiActClassification]):
    """An agent's classifications under the EU AI Act, the latest first; a draft among them."""

    serializer_class = ClassificationSerializer
    pagination_class = ClassificationPage
    filterset_class: Any = None
    permissions = {"list": Permission.AGENTS_VIEW, "create": Permission.AGENTS_VIEW}
    queryset = AiActClassification.objects.none()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.agent: Agent = agent_for(request, kwargs["agent_id"])

    def get_queryset(self) -> QuerySet[AiActClassification]:
        visible = AiActClassification.objects.visible_to(actor_of(self.request))
        return visible.filter(agent_id=self.kwargs["agent_id"]).select_related("begun_by", "concluded_by")

    @extend_schema(request=ClassificationWrite, responses={201: ClassificationSerializer})
    @idempotent
    def create(self, request: Request, agent_id: UUID) -> Response:
        """Classify by these answers; the class is on record at once, as the asker's word. Asks for curating the agent or for
        certifying it; a graver class is not left by its owner or deputy."""
        require_classify(self.agent, actor=actor_of(request))
        given = body_of(request, ClassificationWrite)["answers"]
        if not given:
            raise InvalidInput("Nothing was decided.", fields={"answers": "Send answers by question id"})
        answers = {name: Answer(one["answer"], one["reason"]) for name, one in given.items()}
        concluded = classify_agent(self.agent, answers, actor=actor_of(request))
        return Response(self.get_serializer(concluded).data, status=201)
