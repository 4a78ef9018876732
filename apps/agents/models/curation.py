"""What curators work with: saved views, bulk changes that can be undone, imports, merges."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.agents.models.agents import Agent
from apps.identity.models import Principal
from apps.kit.ids import new_id


class ViewQuerySet(models.QuerySet["SavedView"]):
    def visible_to(self, actor: Principal) -> Self:
        return self.filter(Q(owner=actor) | Q(is_shared=True))


class SavedView(models.Model):
    """A name for a filter, order and choice of columns: a query string of the list."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(Principal, on_delete=models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=80)
    query = models.CharField(max_length=2000)
    is_shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ViewQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint("owner", "name", name="view_has_one_name_an_owner")]

    def __str__(self) -> str:
        return self.name


class Bookmark(models.Model):
    """An agent somebody keeps at hand."""

    owner = models.ForeignKey(Principal, on_delete=models.CASCADE, related_name="bookmarks")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint("owner", "agent", name="bookmark_is_kept_once")]

    def __str__(self) -> str:
        return f"{self.owner_id} keeps {self.agent_id}"


class JobQuerySet(models.QuerySet["CurationJob"]):
    def visible_to(self, actor: Principal) -> Self:
        return self.filter(actor=actor)


class CurationJob(models.Model):
    """Work over many agents: a bulk edit, an import, an undo. Its items say what happened to each.

    An item belongs to the job for ever; a job that dies half-way goes on with the items still waiting.
    """

    class Kind(models.TextChoices):
        BULK_EDIT = "bulk_edit", "Bulk edit"
        IMPORT = "import", "Import"
        UNDO = "undo", "Undo"

    class State(models.TextChoices):
        PREVIEW = "preview", "Preview"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PREVIEW)
    actor = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField(blank=True)
    title = models.CharField(max_length=200)
    request = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    undoes = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="undone_by"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    progressed_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.title

    @property
    def worked(self) -> int:
        """Items that were worked on, done or not possible."""
        return self.done + self.failed


class CurationItem(models.Model):
    """One agent, or one row of an import, in a job. `before` and `after` are {field: value}."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DONE = "done", "Done"
        UNCHANGED = "unchanged", "Unchanged"
        FAILED = "failed", "Failed"

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(CurationJob, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveIntegerField()
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    version = models.PositiveIntegerField(null=True)
    problems = models.JSONField(default=dict)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint("job", "position", name="item_has_one_position")]
        indexes = [models.Index(fields=["job", "state", "position"], name="item_by_state")]

    def __str__(self) -> str:
        return f"item {self.position} of {self.job_id}"
