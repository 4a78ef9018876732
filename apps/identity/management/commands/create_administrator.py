"""`manage.py create_administrator`: the first account of an installation."""

from __future__ import annotations

from getpass import getpass
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from apps.identity.services.people import bootstrap_administrator
from apps.kit.errors import DomainError


class Command(BaseCommand):
    help = "Make an administrator; asks for what is not given."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", default="")
        parser.add_argument("--name", default="")
        parser.add_argument(
            "--password-stdin", action="store_true", help="read the password from standard input"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        email, name, password = _answers(options)
        try:
            validate_email(email)
            validate_password(password)
            person = bootstrap_administrator(email, name, password)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{person.name} may sign in as {person.email}.")


def _answers(options: dict[str, Any]) -> tuple[str, str, str]:
    try:
        email = options["email"] or input("E-mail address: ").strip()
        name = options["name"] or input("Name: ").strip()
        return email, name, input() if options["password_stdin"] else _asked_twice()
    except EOFError as error:
        raise CommandError(
            "Nobody is here to answer. Without a terminal: --email, --name and --password-stdin, "
            "with the password on standard input."
        ) from error


def _asked_twice() -> str:
    password = getpass("Password: ")
    if password != getpass("Again: "):
        raise CommandError("The two passwords differ; nothing was made.")
    return password
