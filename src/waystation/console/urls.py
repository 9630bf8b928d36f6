"""The addresses of the console; each room's pages stand in its module."""

from django.urls import path

from waystation.console import approvals, handover, incident_acts, incidents, me, now, product, sign_in, sites, views

urlpatterns = [
    path("", now.now, name="now"),
    path("now/list/", now.fragment),
    path("alarms/<uuid:alarm_id>/acknowledge/", now.acknowledge_form),
    path("alarms/<uuid:alarm_id>/acknowledged/", now.acknowledge),
    path("incidents/", incidents.incidents, name="incidents"),
    path("incidents/<str:key>/", incidents.incident, name="incident"),
    path("incidents/<str:key>/acknowledge/", incident_acts.acknowledge),
    path("incidents/<str:key>/note/", incident_acts.note),
    path("incidents/<str:key>/move/", incident_acts.move),
    path("incidents/<str:key>/arrive/", incident_acts.arrive),
    path("incidents/<str:key>/delivered/", incident_acts.delivered),
    path("incidents/<str:key>/install/", incident_acts.install),
    path("incidents/<str:key>/resolve/", incident_acts.resolve),
    path("incidents/<str:key>/answer/", incident_acts.answer),
    path("dispatches/<uuid:dispatch_id>/job-sheet.pdf", incident_acts.job_sheet),
    path("dispatches/<uuid:dispatch_id>/label.zpl", incident_acts.label),
    path("approvals/", approvals.approvals, name="approvals"),
    path("approvals/<uuid:approval_id>/decide/", approvals.decide),
    path("hand-over/", handover.hand_over, name="hand-over"),
    path("hand-over/leave/", handover.leave),
    path("hand-over/<uuid:key>/take/", handover.take),
    path("holds/decide/", product.decide_hold),
    path("doubts/<uuid:doubt_id>/decide/", product.decide_doubt),
    path("spaces/<uuid:space_id>/hand-reading/", product.hand_reading),
    path("me/", me.me, name="me"),
    path("me/preferences/", me.preferences),
    path("me/sign-out/", me.sign_out),
    path("find/", me.find, name="find"),
    path("welcome/<str:token>/", sign_in.welcome, name="welcome"),
    path("sites/", sites.sites, name="sites"),
    path("sites/<slug:code>/", sites.site, name="site"),
    path("sites/<slug:code>/<slug:space_code>/", sites.space, name="space"),
    path("spaces/<uuid:space_id>/", sites.space_by_id),
    path("preferences/theme/", views.theme),
    path("healthz", views.healthz),
    path("readyz", views.readyz),
]
