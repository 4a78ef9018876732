"""Form fields tie label, hint and error to the control, and errors are instructions."""

import pytest
from django import forms
from django.template import engines

from apps.kit.ui.forms import PlainForm


class Grant(PlainForm):
    tool = forms.CharField(max_length=5, help_text="As the agent calls it.")
    limit = forms.IntegerField(min_value=1, max_value=5000)
    level = forms.ChoiceField(
        choices=[("auto", "Autonomous"), ("human", "Human only")], widget=forms.RadioSelect
    )
    mail = forms.EmailField(required=False)
    tell = forms.BooleanField(required=False, label="Tell the deputy")
    note = forms.CharField(required=False, error_messages={"required": "Say why."}, widget=forms.Textarea)


def drawn(form: forms.Form, name: str) -> str:
    return engines["django"].from_string("{% field bound rows=3 %}").render({"bound": form[name]})


def errors(**data: str) -> dict[str, list[str]]:
    return {name: list(found) for name, found in Grant(data).errors.items()}


def test_a_control_is_described_by_its_hint_and_its_error() -> None:
    html = drawn(Grant({"tool": "too long"}), "tool")
    assert 'aria-describedby="id_tool-hint id_tool-error"' in html
    assert 'id="id_tool-hint"' in html
    assert 'id="id_tool-error"' in html
    assert 'aria-invalid="true"' in html
    assert '<label for="id_tool">' in html


def test_a_control_without_fault_is_not_marked() -> None:
    html = drawn(Grant(), "limit")
    assert "aria-invalid" not in html
    assert "aria-describedby" not in html


def test_choices_form_a_group_with_a_legend() -> None:
    html = drawn(Grant(), "level")
    assert "<fieldset" in html
    assert "<legend>Level</legend>" in html
    assert html.count('class="choice"') == 2


def test_a_tick_stands_before_its_label_and_is_not_called_optional() -> None:
    html = drawn(Grant(), "tell")
    assert html.index('type="checkbox"') < html.index("Tell the deputy")
    assert "optional" not in html


def test_an_optional_control_says_so() -> None:
    assert "optional" in drawn(Grant(), "note")
    assert "optional" not in drawn(Grant(), "tool")


def test_what_was_typed_stays_text() -> None:
    assert "<script>" not in drawn(Grant({"tool": "<script>"}), "tool")


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("tool", "", "Fill this in."),
        ("tool", "too long", "Use at most 5 characters."),
        ("limit", "9000", "Enter at most 5,000."),
        ("limit", "0", "Enter at least 1."),
        ("limit", "ten", "Enter a whole number."),
        ("level", "", "Choose one."),
        ("level", "x", "Choose one of the list."),
        ("mail", "nobody", "Enter an e-mail address, like name@example.org."),
    ],
)
def test_an_error_is_an_instruction(name: str, typed: str, said: str) -> None:
    assert errors(**{name: typed})[name] == [said]


def test_a_message_set_on_purpose_is_kept() -> None:
    assert Grant().fields["note"].error_messages["required"] == "Say why."


def test_a_refused_form_links_to_its_fields() -> None:
    form = Grant({"tool": "x", "limit": "1"})
    html = engines["django"].from_string("{% form_errors form %}").render({"form": form})
    assert '<a href="#id_level">Level</a>' in html
    assert 'id="id_level"' in drawn(form, "level")
    assert 'role="alert"' in html
