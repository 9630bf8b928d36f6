"""The addresses of the console; each room's pages stand in its module."""

from django.urls import path

from waystation.console import desk, evidence, onboarding, overview, sign_in, site_class, sites, views

urlpatterns = [
    path("", views.now, name="now"),
    path("welcome/<str:token>/", sign_in.welcome, name="welcome"),
    path("sites/", sites.sites, name="sites"),
    path("sites/<slug:code>/", sites.site, name="site"),
    path("sites/<slug:code>/class/", site_class.site_class),
    path("sites/<slug:code>/<slug:space_code>/", sites.space, name="space"),
    path("spaces/<uuid:space_id>/", sites.space_by_id),
    path("desk/", desk.desks, name="desks"),
    path("desk/worker.js", desk.worker),
    path("desk/<slug:code>/", desk.desk, name="desk"),
    path("desk/<slug:code>/scan/", desk.scan),
    path("desk/<slug:code>/scans/<uuid:scan_id>/resolve/", desk.resolve),
    path("evidence/", evidence.evidence, name="evidence"),
    path("evidence/story/", evidence.story),
    path("evidence/verify.py", evidence.verifier),
    path("evidence/entry/<int:seq>/", evidence.entry_by_seq),
    path("evidence/<slug:log>/trust.json", evidence.trust),
    path("evidence/<slug:log>/<int:index>/", evidence.entry, name="entry"),
    path("evidence/<slug:log>/<int:index>/leaf/", evidence.leaf),
    path("evidence/<slug:log>/<int:index>/proof/", evidence.proof),
    path("onboarding/", onboarding.onboardings, name="onboardings"),
    path("onboarding/<slug:code>/", onboarding.onboarding, name="onboarding"),
    path("onboarding/<slug:code>/start/", onboarding.start),
    path("onboarding/<slug:code>/measure/", onboarding.measure),
    path("onboarding/<slug:code>/checks/<slug:key>/", onboarding.record),
    path("onboarding/<slug:code>/sign/", onboarding.sign),
    path("onboarding/<slug:code>/open/", onboarding.open_site),
    path("overview/", overview.page, name="overview"),
    path("overview/<slug:question>/", overview.records),
    path("preferences/theme/", views.theme),
    path("healthz", views.healthz),
    path("readyz", views.readyz),
]
