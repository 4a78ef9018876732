"""Numbers, times and hashes as people read them. Pure functions; the template tags wrap them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Final

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

DASH: Final = "\N{EN DASH}"
_DAY_S: Final = 86_400
_UNITS_S: Final = ((365 * _DAY_S, "year"), (_DAY_S, "day"), (3600, "h"), (60, "min"), (1, "s"))
_LARGE: Final[tuple[tuple[int, str], ...]] = ((1_000_000_000, "bn"), (1_000_000, "M"))


def number(value: float | Decimal | None, decimals: int = 0) -> str:
    """1204.5 as "1,205", or "1,204.50" with two decimals; None is a dash."""
    if value is None:
        return DASH
    step = Decimal(1).scaleb(-decimals)
    return f"{Decimal(str(value)).quantize(step, ROUND_HALF_UP):,}"


def percent(share: float | None, decimals: int = 1) -> str:
    """A share between 0 and 1 as "98.9%"; None is a dash."""
    return DASH if share is None else f"{number(share * 100, decimals)}%"


def short_amount(value: float | Decimal | None, decimals: int = 2) -> str:
    """An amount, from a million on in three digits: "1,204.50", "1.25 M", "500 M", "12 bn"; None is a dash."""
    exact = Decimal(0) if value is None else Decimal(str(value))
    for unit, word in _LARGE:
        if abs(exact) >= unit:
            return f"{_three_digits(exact / unit)} {word}"
    return number(value, decimals)


def _three_digits(value: Decimal) -> str:
    """12.345 as "12.3", 500 as "500", 1234 as "1,234"."""
    told = number(value, max(0, 3 - len(str(int(abs(value))))))
    return told.rstrip("0").rstrip(".") if "." in told else told


def milliseconds(value: float | None) -> str:
    """A duration given in milliseconds, in its two largest units: "860 ms", "2.4 s", "3 min 5 s", "9 days 4 h"; None is a dash."""
    if value is None:
        return DASH
    if value < 1000:
        return f"{number(value, 1 if 0 < value < 10 else 0).removesuffix('.0')} ms"
    return _two_units(value / 1000)


def _two_units(seconds: float) -> str:
    """Rounded to the smaller unit; seconds with a decimal."""
    for (unit, word), (part, part_word) in pairwise(_UNITS_S):
        whole = round(seconds / part) * part
        if whole >= unit:
            rest = whole % unit // part
            said = _counted(whole // unit, word)
            return f"{said} {_counted(rest, part_word)}" if rest else said
    return f"{number(seconds, 1)} s"


def _counted(count: int, word: str) -> str:
    """ "1 day", "2 days"; symbols have no plural."""
    return f"{number(count)} {word}{'s' if word in ('day', 'year') and count != 1 else ''}"


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
