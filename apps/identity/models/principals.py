"""Principals (whoever acts), the people behind some of them, teams, and roles."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower

from apps.identity.roles import Role
from apps.kit.ids import new_id


class Team(models.Model):
    """A group of people that owns agents. Teams form a tree by `parent`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=120, unique=True)
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Principal(models.Model):
    """Whoever acts: a person, an agent or a service. Credentials, roles and the ledger refer to it."""

    class Kind(models.TextChoices):
        HUMAN = "human", "Person"
        AGENT = "agent", "Agent"
        SERVICE = "service", "Service"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=200)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="principals")
    is_active = models.BooleanField(default=True)
    suspended_at = models.DateTimeField(
        null=True, blank=True, help_text="Its keys open nothing but asking and reporting since then."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    is_authenticated = True  # what Django REST framework asks of whoever makes a request
    is_anonymous = False

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=["human", "agent", "service"]), name="principal_kind_is_known"
            )
        ]

    def __str__(self) -> str:
        return self.name


class PersonManager(BaseUserManager["Person"]):
    """Accounts by e-mail address; addresses are compared without regard to case."""

    def get_by_natural_key(self, username: str | None) -> Person:
        return self.get(email__iexact=username)

    def create_user(self, email: str, name: str, password: str | None = None, **extra: Any) -> Person:
        person = self.model(email=self.normalize_email(email), **extra)
        person.principal = Principal.objects.create(kind=Principal.Kind.HUMAN, name=name)
        person.set_password(password)
        person.save(using=self._db)
        return person

    def create_superuser(self, email: str, name: str = "", password: str | None = None) -> Person:
        name = name or email.partition("@")[0]
        person = self.create_user(email, name, password, is_staff=True, is_superuser=True)
        RoleAssignment.objects.create(principal=person.principal, role=Role.ADMINISTRATOR)
        return person


class Person(AbstractBaseUser, PermissionsMixin):
    """Somebody who signs in. Everything they do is done by `principal`."""

    principal = models.OneToOneField(Principal, on_delete=models.PROTECT, related_name="person")
    email = models.EmailField(max_length=254)
    job_title = models.CharField(max_length=120, blank=True)
    is_staff = models.BooleanField(default=False, help_text="May open the administration site.")
    is_active = models.BooleanField(default=True)
    must_change_password = models.BooleanField(
        default=False, help_text="Somebody else knows the password: it opens nothing but its own change."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = PersonManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name_plural = "people"
        constraints = [models.UniqueConstraint(Lower("email"), name="person_email_is_unique")]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return self.principal.name

    def get_full_name(self) -> str:
        return self.name


class RoleAssignment(models.Model):
    """A role given to a principal: for one team, or everywhere when `team` is None."""

    principal = models.ForeignKey(Principal, on_delete=models.CASCADE, related_name="roles")
    role = models.CharField(max_length=20, choices=Role.choices)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, blank=True, related_name="roles")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["role"]
        constraints = [
            models.UniqueConstraint(
                "principal", "role", "team", nulls_distinct=False, name="role_is_assigned_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()}, {self.team or 'everywhere'}"
