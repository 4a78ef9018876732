"""The ledger in templates: {% load ledger %}{% ledger_line entry %} inside <ol class="tl">."""

from django.template import Library
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.identity.models import LedgerEntry
from apps.identity.narrative import told
from apps.kit.ui.tags.blocks import entry as entry_tag

register = Library()


@register.simple_tag
def ledger_line(entry: LedgerEntry) -> SafeString:
    """One entry: who, what in a sentence, why, the difference folded under it."""
    line = told(entry)
    sentence = format_html("<b>{}</b> {}", line.actor_name, line.sentence)
    return entry_tag(sentence, line.actor_kind, line.at, reason=line.reason, changes=line.changes)


@register.filter
def as_told(entry: LedgerEntry) -> object:
    """The entry's words, for pages that lay them out themselves."""
    return told(entry)
