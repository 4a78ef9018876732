"""What a repository declares of an agent, and where it says so."""

from __future__ import annotations

from django.db import models

from apps.agents.models.agents import Agent, OfAgent
from apps.identity.models import Principal


class Declaration(models.Model):
    """One agent as a `chancery.yaml` declares it: the file, the commit, the line, the whole of what it says.

    An agent is declared in one place. `key` is how that file names it (`slug:x` or `name:x`), `lines` maps a
    part of `body` (a pointer such as `tools/0`) to its line. `applied_at` is when the place last said so:
    dependencies it declared before and names no longer were said earlier. `withdrawn_at`: the file is still
    applied and names the agent no longer.
    """

    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, related_name="declaration")
    repository = models.CharField(max_length=200)
    path = models.CharField(max_length=300)
    commit = models.CharField(max_length=64, blank=True)
    key = models.CharField(max_length=210)
    line = models.PositiveIntegerField(null=True, blank=True)
    lines = models.JSONField(default=dict)
    body = models.JSONField(default=dict)
    declared_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    declared_at = models.DateTimeField()
    applied_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = OfAgent.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("repository", "path", "key", name="declaration_names_one_agent")
        ]

    def __str__(self) -> str:
        return f"{self.place} of {self.repository}"

    @property
    def place(self) -> str:
        """File and line, as people and editors write them."""
        return f"{self.path}:{self.line}" if self.line else self.path

    def place_of(self, pointer: str) -> str:
        """File and line of a part of the declaration; of its nearest surrounding part where it has none."""
        parts = pointer.split("/")
        for end in range(len(parts), 0, -1):
            line = self.lines.get("/".join(parts[:end]))
            if line:
                return f"{self.path}:{line}"
        return self.place
