"""Numbers, times and hashes as people read them. Pure functions; the template tags wrap them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

DASH: Final = "\N{EN DASH}"
_DAY_S: Final = 86_400


def number(value: float | Decimal | None, decimals: int = 0) -> str:
    """1204.5 as "1,205", or "1,204.50" with two decimals; None is a dash."""
    if value is None:
        return DASH
    step = Decimal(1).scaleb(-decimals)
    return f"{Decimal(str(value)).quantize(step, ROUND_HALF_UP):,}"


def percent(share: float | None, decimals: int = 1) -> str:
    """A share between 0 and 1 as "98.9%"; None is a dash."""
    return DASH if share is None else f"{number(share * 100, decimals)}%"


def milliseconds(value: float | None) -> str:
    """A duration given in milliseconds: "860 ms", "2.4 s", "3 min 5 s"; None is a dash."""
    if value is None:
        return DASH
    if value < 1000:
        return f"{number(value, 1 if 0 < value < 10 else 0).removesuffix('.0')} ms"
    if value < 60_000:
        return f"{number(value / 1000, 1)} s"
    minutes, seconds = divmod(round(value / 1000), 60)
    return f"{number(minutes)} min {seconds} s" if seconds else f"{number(minutes)} min"


def hash_groups(value: object, groups: int = 0) -> str:
    """Hexadecimal in groups of four; the first `groups` of them, all when 0."""
    text = str(value or "").replace("-", "").replace(" ", "")
    parts = [text[at : at + 4] for at in range(0, len(text), 4)]
    return " ".join(parts[:groups] if groups else parts)


def span_words(seconds: float) -> str:
    """The length of a span in its largest fitting unit: "40 s", "12 min", "5 h", "9 days"."""
    for unit_s, limit, word in ((1, 60, "s"), (60, 60, "min"), (3600, 24, "h")):
        if seconds < unit_s * limit:
            return f"{int(seconds // unit_s)} {word}"
    days = int(seconds // _DAY_S)
    return "1 day" if days == 1 else f"{number(days)} days"


def as_moment(value: date | datetime) -> datetime:
    """A datetime in the current zone; a plain date becomes its midnight, a naive one is taken as UTC."""
    if not isinstance(value, datetime):
        return datetime.combine(value, time.min, timezone.get_current_timezone())
    return timezone.localtime(value if timezone.is_aware(value) else value.replace(tzinfo=UTC))


def absolute(moment: datetime, now: datetime) -> str:
    """ "14 Nov 09:12", with the year when it is not this one."""
    shape = "%-d %b %H:%M" if moment.year == now.year else "%-d %b %Y %H:%M"
    return moment.strftime(shape)


def spoken_time(moment: datetime, now: datetime) -> str:
    """Relative under a day either way, absolute beyond."""
    distance = (moment - now).total_seconds()
    if abs(distance) >= _DAY_S:
        return absolute(moment, now)
    if distance > 0:
        return f"in {span_words(distance)}"
    return "now" if distance > -2 else f"{span_words(-distance)} ago"


def time_element(
    value: date | datetime | None, css_class: str = "", now: datetime | None = None
) -> SafeString:
    """`<time>` with the machine form in `datetime` and the full moment with its zone in the title."""
    if value is None:
        return format_html('<span class="faint">{}</span>', DASH)
    if not isinstance(value, datetime):
        return format_html(
            '<time class="{}" datetime="{}">{}</time>', css_class, value.isoformat(), day(value)
        )
    moment = as_moment(value)
    return format_html(
        '<time class="{}" datetime="{}" title="{}">{}</time>',
        css_class,
        moment.isoformat(timespec="milliseconds"),
        moment.strftime("%A %-d %B %Y %H:%M:%S %Z"),
        spoken_time(moment, now or timezone.now()),
    )


def day(value: date) -> str:
    """ "2 Dec 2026"."""
    return value.strftime("%-d %b %Y")


def days_until(until: date | datetime, now: datetime | None = None) -> int:
    """Days left, a day begun counting whole; negative ones are days since."""
    left = as_moment(until) - (now or timezone.now())
    return -(-left // timedelta(days=1))
