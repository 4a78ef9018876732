"""Tags for pictures of data; the drawing is in apps.kit.ui.charts."""

from django.template import Library

register = Library()
