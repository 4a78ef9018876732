"""Arithmetic of seeing: contrast (WCAG 2.2) and distance between colours under each kind of colour blindness."""

from __future__ import annotations

from collections.abc import Sequence

Rgb = Sequence[float]
Matrix = tuple[tuple[float, float, float], ...]

# Linear-RGB simulation matrices at full severity (Machado, Oliveira and Fernandes 2009).
SIGHTS: dict[str, Matrix | None] = {
    "full sight": None,
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def linear(hexa: str) -> Rgb:
    """#rrggbb as linear light between 0 and 1."""
    channels = [int(hexa[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]


def luminance(rgb: Rgb) -> float:
    """Relative luminance (WCAG 2.2)."""
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21."""
    high, low = sorted((luminance(linear(one)), luminance(linear(other))), reverse=True)
    return (high + 0.05) / (low + 0.05)


def seen(hexa: str, sight: Matrix | None) -> Rgb:
    """A colour as somebody with this sight sees it, in linear light."""
    rgb = linear(hexa)
    return rgb if sight is None else [sum(m * c for m, c in zip(row, rgb, strict=True)) for row in sight]


def lab(rgb: Rgb) -> tuple[float, float, float]:
    """CIE L*a*b* (D65) of linear light."""
    r, g, b = (min(1.0, max(0.0, channel)) for channel in rgb)
    xyz = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089,
    )
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def distance(one: Rgb, other: Rgb) -> float:
    """CIE76 difference."""
    return sum((p - q) ** 2 for p, q in zip(lab(one), lab(other), strict=True)) ** 0.5
