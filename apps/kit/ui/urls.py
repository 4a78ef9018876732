"""Addresses of the kit's own pages; included at the root, without a namespace."""

from django.urls import path

from apps.kit.ui import views

urlpatterns = [
    path("kit/", views.kit, name="kit"),
    path("theme", views.switch_theme, name="theme"),
]
