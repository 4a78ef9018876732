from django.urls import path

from apps.agents.views import curation, files, history, registry, review

app_name = "agents"
urlpatterns = [
    path("agents/", registry.agent_list, name="list"),
    path("agents/new/", registry.agent_draft, name="draft"),
    path("agents/risk-preview/", registry.risk_preview, name="risk-preview"),
    path("agents/bulk/", curation.bulk_edit, name="bulk"),
    path("agents/merge/", curation.merge, name="merge"),
    path("agents/views/", curation.view_save, name="view-save"),
    path("agents/views/<uuid:view_id>/remove/", curation.view_remove, name="view-remove"),
    path("agents/import/", files.import_agents, name="import"),
    path("agents/import/template.csv", files.import_template, name="import-template"),
    path("agents/export.<slug:kind>", files.export, name="export"),
    path("agents/jobs/", curation.jobs, name="jobs"),
    path("agents/jobs/<uuid:job_id>/", curation.job, name="job"),
    path("agents/jobs/<uuid:job_id>/<slug:verb>/", curation.job_act, name="job-act"),
    path("agents/<uuid:agent_id>/", registry.agent_detail, name="detail"),
    path("agents/<uuid:agent_id>/edit/", registry.agent_edit, name="edit"),
    path("agents/<uuid:agent_id>/alike/", registry.alike, name="alike"),
    path("agents/<uuid:agent_id>/history/", history.agent_history, name="history"),
    path("agents/<uuid:agent_id>/restore/", history.restore, name="restore"),
    path("agents/<uuid:agent_id>/fields/<slug:name>/", curation.one_field, name="field"),
    path("agents/<uuid:agent_id>/fields/<slug:name>/value/", curation.field_value, name="field-value"),
    path("agents/<uuid:agent_id>/bookmark/", curation.bookmark, name="bookmark"),
    path("agents/<uuid:agent_id>/claims/<int:claim_id>/", curation.settle_claim, name="settle"),
    path("agents/<uuid:agent_id>/confirm/", review.confirm, name="confirm"),
    path("agents/<uuid:agent_id>/merges/<uuid:merge_id>/undo/", curation.merge_undo, name="merge-undo"),
    path("agents/at/", history.register_at, name="at"),
    path("discovery/", registry.discovery, name="discovery"),
    path("quality/", review.quality, name="quality"),
    path("campaigns/", review.campaigns, name="campaigns"),
    path("campaigns/new/", review.campaign_begin, name="campaign-begin"),
    path("campaigns/<uuid:campaign_id>/", review.campaign, name="campaign"),
    path("campaigns/<uuid:campaign_id>/close/", review.campaign_close, name="campaign-close"),
]
