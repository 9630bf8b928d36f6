"""People, machines, grants, one-time links, and the replies to repeated requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

from waystation.access.rules import ERASED_AT, PERSONAL
from waystation.evidence.rows import Row


class People(BaseUserManager["Person"]):
    """Looks people up by their address."""

    def get_by_natural_key(self, username: str | None) -> Person:
        return self.get(email__iexact=username)


class Person(AbstractBaseUser, Row):
    """Somebody with a name, an address and a password of their own."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120)
    phone = models.CharField(max_length=40, blank=True)
    employer = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    is_shared = False
    temperature_unit = models.CharField(max_length=1, default="c", choices=[("c", "°C"), ("f", "°F")])
    hours = models.CharField(max_length=2, default="24", choices=[("24", "24 h"), ("12", "12 h")])
    theme = models.CharField(max_length=8, default="", blank=True)
    shifts = models.JSONField(default=list, blank=True)
    qualifications = models.JSONField(default=list, blank=True)

    personal: ClassVar[Mapping[str, str]] = dict.fromkeys(PERSONAL, "id")
    beside = frozenset({"last_login"})  # stamped by the framework
    objects: ClassVar[People] = People()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def erased_address(self) -> str:
        """The address that takes the place of a person's own; no mail reaches it."""
        return f"{self.pk}@{ERASED_AT}"

    @property
    def is_erased(self) -> bool:
        """True once the person's own fields are gone."""
        return self.email == self.erased_address

    def personal_in(self, values: Mapping[str, Any]) -> Mapping[str, str]:
        """Of an erased person nothing is personal any more: the row is digested as it stands."""
        return {} if values.get("email") == self.erased_address else self.personal


class Machine(Row):
    """A program or gateway with a token or a device key of its own."""

    name = models.CharField(max_length=120, unique=True)
    role = models.CharField(max_length=40)
    site_id = models.UUIDField(null=True, db_index=True)
    token_hash = models.CharField(max_length=64, blank=True, db_index=True)
    public_key = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)


class Enrolment(Row):
    """A token that makes the key of a site's agent known, once."""

    name = models.CharField(max_length=120)
    site_id = models.UUIDField()
    token_hash = models.CharField(max_length=64, unique=True)
    opened_by = models.UUIDField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    machine_id = models.UUIDField(null=True)


class Grant(Row):
    """A role that a person holds, at one site or everywhere, from an instant to another."""

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="grants")
    role = models.CharField(max_length=40)
    site_id = models.UUIDField(null=True)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)


class WelcomeLink(Row):
    """A link that works once: the first administrator, or an invited person."""

    person = models.ForeignKey(Person, on_delete=models.PROTECT, null=True)
    token_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)


class Reply(models.Model):
    """What was answered to a request with an idempotency key, for the next time it comes."""

    principal_id = models.UUIDField()
    key = models.CharField(max_length=120)
    request_digest = models.CharField(max_length=64)
    status = models.IntegerField()
    body = models.TextField()
    at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["principal_id", "key"], name="one_reply_per_key")]
