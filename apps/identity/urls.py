from django.contrib.auth.views import LogoutView
from django.urls import path

from apps.identity import views, webhook_views

app_name = "identity"
urlpatterns = [
    path("login/", views.SignIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("people/", views.people, name="people"),
    path("people/new/", views.person_new, name="person-new"),
    path("people/<uuid:person_id>/", views.person, name="person"),
    path("people/<uuid:person_id>/roles/", views.role_give, name="role-give"),
    path("people/<uuid:person_id>/roles/<int:role_id>/withdraw/", views.role_withdraw, name="role-withdraw"),
    path("people/<uuid:person_id>/close/", views.person_close, name="person-close"),
    path("people/<uuid:person_id>/open/", views.person_open, name="person-open"),
    path("people/<uuid:person_id>/password/", views.password_reset, name="password-reset"),
    path("teams/new/", views.team_form, name="team-new"),
    path("teams/<uuid:team_id>/", views.team_form, name="team-edit"),
    path("password/", views.password, name="password"),
    path("keys/", views.keys, name="keys"),
    path("keys/mint/", views.key_mint, name="key-mint"),
    path("keys/<uuid:key_id>/revoke/", views.key_revoke, name="key-revoke"),
    path("webhooks/", webhook_views.webhooks, name="webhooks"),
    path("webhooks/new/", webhook_views.webhook_form, name="webhook-new"),
    path("webhooks/<uuid:webhook_id>/", webhook_views.webhook, name="webhook"),
    path("webhooks/<uuid:webhook_id>/edit/", webhook_views.webhook_form, name="webhook-edit"),
    path("webhooks/<uuid:webhook_id>/<slug:verb>/", webhook_views.webhook_act, name="webhook-act"),
    path(
        "webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/replay/",
        webhook_views.webhook_replay,
        name="webhook-replay",
    ),
    path("ledger/", views.ledger, name="ledger"),
    path("ledger/checkpoint/", views.ledger_checkpoint, name="ledger-checkpoint"),
    path("ledger/<int:entry_id>/", views.ledger_entry, name="ledger-entry"),
]
