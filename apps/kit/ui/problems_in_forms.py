"""A service's refusal, shown at the fields of the form that asked."""

from django import forms

from apps.kit.errors import DomainError


def show_problem(form: forms.Form, error: DomainError) -> None:
    """Put each of the error's fields beside the form's field of that name, the rest above the form."""
    placed = False
    for name, words in error.fields.items():
        if name in form.fields:
            form.add_error(name, words)
            placed = True
    if not placed:
        form.add_error(
            None, " ".join([error.message, *(w for w in error.fields.values() if w not in error.message)])
        )
