"""What search reads: words, letters and vectors of each agent, kept beside the record."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Q
from pgvector.django import HalfVectorField, HnswIndex, SparseVectorField

from apps.agents.models.agents import Agent

EMBEDDING_DIMENSIONS = 384
LETTER_BUCKETS = 32_768


class SearchDocument(models.Model):
    """An agent's words, and its letters as a sparse vector of hashed 3- to 5-grams (unit length).

    `embedded_with` names the model of its vectors, '' while they are missing or older than the text.
    """

    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, primary_key=True, related_name="document")
    text_hash = models.BinaryField()
    words = SearchVectorField()
    word_count = models.PositiveIntegerField()
    name_letters = SearchVectorField()
    letters = SparseVectorField(dimensions=LETTER_BUCKETS)
    embedded_with = models.CharField(max_length=200, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [
            GinIndex(fields=["words"], name="document_by_word"),
            GinIndex(fields=["name_letters"], name="document_by_name_letters"),
            models.Index(fields=["embedded_with", "updated_at"], name="document_by_embedding"),
        ]

    def __str__(self) -> str:
        return f"search document of {self.agent_id}"


class AgentVector(models.Model):
    """The meaning of one part of an agent's text. Several per agent: a question may fit one clause only."""

    class Part(models.TextChoices):
        NAME = "name", "Name"
        PURPOSE = "purpose", "Purpose"
        CLAUSE = "clause", "Clause"

    id = models.BigAutoField(primary_key=True)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="vectors")
    model = models.CharField(max_length=200)
    part = models.CharField(max_length=8, choices=Part.choices)
    ordinal = models.PositiveSmallIntegerField(default=0)
    text = models.TextField()
    vector = HalfVectorField(dimensions=EMBEDDING_DIMENSIONS)

    class Meta:
        constraints = [
            models.UniqueConstraint("agent", "model", "part", "ordinal", name="vector_is_kept_once_a_part")
        ]
        indexes = [
            HnswIndex(
                name="vector_of_purpose", fields=["vector"], opclasses=["halfvec_cosine_ops"],
                condition=Q(part="purpose"),
            ),
            HnswIndex(
                name="vector_of_clause", fields=["vector"], opclasses=["halfvec_cosine_ops"],
                condition=Q(part="clause"),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.part} {self.ordinal} of {self.agent_id}"


class SearchTerm(models.Model):
    """How many agents hold a word or a letter group: rare ones find, all of them rank."""

    class Kind(models.TextChoices):
        WORD = "word", "Word"
        LETTERS = "letters", "Letters of a name"

    kind = models.CharField(max_length=8, choices=Kind.choices)
    term = models.TextField()
    agents = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint("kind", "term", name="term_is_counted_once")]

    def __str__(self) -> str:
        return self.term


class SearchState(models.Model):
    """One row: which model answers, which one is being brought in, over how many agents words were counted."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    model = models.CharField(max_length=200, blank=True)
    next_model = models.CharField(max_length=200, blank=True)
    documents = models.PositiveIntegerField(default=0)
    mean_words = models.FloatField(default=0)
    counted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"search with {self.model or 'words'}"
