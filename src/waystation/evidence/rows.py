"""The base of every table that holds state: an id, and a memory of what was read, so that a change can be proved."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Self
from uuid import UUID

from django.db import models

from waystation.evidence.personal import commitment
from waystation.kernel.canonical import digest, plain
from waystation.kernel.ids import new_id


class Row(models.Model):
    """A row that knows what it held when it was read."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    _read: Mapping[str, Any] | None = None
    beside: ClassVar[frozenset[str]] = frozenset()  # columns that are no record, such as a lease; no digest holds them
    personal: ClassVar[Mapping[str, str]] = {}  # columns about a person, each with the column that names the person
    FIELDS: ClassVar[tuple[str, ...]] = ()  # what a form of the row shows and writes
    is_derived: ClassVar[bool] = False  # worked out from readings and entries, which say it again: no entry names it

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any]) -> Self:
        row = super().from_db(db, field_names, values)
        row._read = dict(row.__dict__)
        return row

    @property
    def is_moving(self) -> bool:
        """True while figures of the row still move; the entry that ends that says the final ones."""
        return False

    def as_plain(self) -> dict[str, Any]:
        """Every recorded column as a canonical value."""
        return self._plain(self.__dict__)

    def _plain(self, values: Mapping[str, Any]) -> dict[str, Any]:
        held = {f.attname: plain(_as_kept(f, values.get(f.attname))) for f in self._recorded()}
        return held | {name: _committed(held, name, of) for name, of in self.personal_in(values).items()}

    def personal_in(self, values: Mapping[str, Any]) -> Mapping[str, str]:
        """Which columns of these values are about a person, each with the column that names the person."""
        return self.personal

    def _recorded(self) -> list[models.Field[Any, Any]]:
        return [f for f in self._meta.concrete_fields if f.attname not in self.beside]

    @property
    def fields_digest(self) -> str:
        """SHA-256 of what a form of the row shows: whoever sends the form again says what it overwrites."""
        return digest({name: plain(getattr(self, name)) for name in self.FIELDS})

    def digest_before(self) -> str:
        """SHA-256 of the row as it was read; empty for a new one. JSON columns are replaced, never changed in place."""
        return digest(self._plain(self._read)) if self._read is not None else ""

    def digest_after(self) -> str:
        """SHA-256 of the row as it stands."""
        return digest(self.as_plain())

    def remember(self) -> None:
        """From here on the present values are those that were read."""
        self._read = dict(self.__dict__)


def _committed(held: Mapping[str, Any], name: str, of: str) -> Any:
    """A personal field as an entry may hold it: an empty one as it is, any other as what only its salt can open."""
    if not held.get(name) or not held.get(of):
        return held.get(name, "")
    return commitment(UUID(str(held[of])), name, held[name])


def _as_kept(column: models.Field[Any, Any], value: Any) -> Any:
    """The value as the database gives it back: an id from its text, 5 as 5.0, a decimal with all its places."""
    if value is None or isinstance(column, models.JSONField):
        return value
    kept = column.to_python(value)
    if isinstance(column, models.DecimalField) and kept is not None:
        return kept.quantize(Decimal(1).scaleb(-column.decimal_places))
    return kept


def state_field(kind: Sequence[tuple[str, str]], default: str) -> models.CharField[str, str]:
    """A column for a state of `kernel.states`."""
    return models.CharField(max_length=24, choices=list(kind), default=default, db_index=True)
