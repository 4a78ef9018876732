"""The ledger in templates: {% load ledger %}{% ledger_lines entries %} inside <ol class="tl">."""

from collections.abc import Iterable

from django.template import Library
from django.template.context import Context
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.identity.mentions import known_to, naming_strangers
from apps.identity.models import LedgerEntry
from apps.identity.narrative import told
from apps.kit.ui.tags.blocks import entry as entry_tag

register = Library()


@register.simple_tag(takes_context=True)
def ledger_lines(context: Context, entries: Iterable[LedgerEntry]) -> SafeString:
    """One thing's entries for whoever looks: agents they may not know of are not named."""
    rows = list(entries)
    strangers = naming_strangers(rows, known_to(context["request"].actor))
    return format_html_join("", "{}", ((_line(row, is_veiled=row.pk in strangers),) for row in rows))


@register.simple_tag
def ledger_line(entry: LedgerEntry) -> SafeString:
    """One entry for a reader of the whole ledger: who, what in a sentence, why, the difference folded under it."""
    return _line(entry)


@register.filter
def as_told(entry: LedgerEntry) -> object:
    """The entry's words for a reader of the whole ledger, for pages that lay them out themselves."""
    return told(entry)


def _line(entry: LedgerEntry, *, is_veiled: bool = False) -> SafeString:
    line = told(entry, is_veiled=is_veiled)
    sentence = format_html("<b>{}</b> {}", line.actor_name, line.sentence)
    return entry_tag(sentence, line.actor_kind, line.at, reason=line.reason, changes=line.changes)
