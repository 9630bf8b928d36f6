"""The addresses of the console; each room's pages stand in its module."""

from django.urls import path

from waystation.console import sign_in, sites, views

urlpatterns = [
    path("", views.now, name="now"),
    path("welcome/<str:token>/", sign_in.welcome, name="welcome"),
    path("sites/", sites.sites, name="sites"),
    path("sites/<slug:code>/", sites.site, name="site"),
    path("sites/<slug:code>/<slug:space_code>/", sites.space, name="space"),
    path("spaces/<uuid:space_id>/", sites.space_by_id),
    path("preferences/theme/", views.theme),
    path("healthz", views.healthz),
    path("readyz", views.readyz),
    path("beat", views.beat),
]
