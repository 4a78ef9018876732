"""Addresses that fail, for the test of what a fault of ours looks like."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from config.urls import handler400, handler404, handler500, urlpatterns

__all__ = ["handler400", "handler404", "handler500"]


def broken(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError("nobody foresaw this")


urlpatterns = [path("api/v1/broken", broken), path("broken/", broken), *urlpatterns]
