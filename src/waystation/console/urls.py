"""The addresses of the console; each room's pages stand in its module."""

from django.urls import path

from waystation.console import sign_in, views

urlpatterns = [
    path("", views.now, name="now"),
    path("welcome/<str:token>/", sign_in.welcome, name="welcome"),
    path("healthz", views.healthz),
    path("readyz", views.readyz),
]
