from django.contrib.auth.views import LogoutView
from django.urls import path

from apps.identity import views

app_name = "identity"
urlpatterns = [
    path("login/", views.SignIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("people/", views.people, name="people"),
    path("people/new/", views.person_new, name="person-new"),
    path("keys/", views.keys, name="keys"),
    path("keys/mint/", views.key_mint, name="key-mint"),
    path("keys/<uuid:key_id>/revoke/", views.key_revoke, name="key-revoke"),
    path("ledger/", views.ledger, name="ledger"),
    path("ledger/<int:entry_id>/", views.ledger_entry, name="ledger-entry"),
]
