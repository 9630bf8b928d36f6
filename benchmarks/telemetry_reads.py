"""What a chart waits for: a sensor's day and month, a site's day and month by five minutes, bytes for each reading.

A site of forty sensors at a minute, thirty days sealed hour by hour. The peer of the same run is DuckDB itself, asked
the plainest way for the same rows of the same files: what lies between is checking, corrections and order.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import duckdb

from benchmarks.harness import Report, installation, median_of, vendor

SENSORS, DAYS = 40, 30
END = datetime(2026, 11, 17, tzinfo=UTC)
MINUTE_US = 60_000_000


def main() -> None:
    """Seal a month, then read it."""
    with installation() as data:
        report = Report("telemetry_reads", vendor())
        from waystation.registry.models import Space
        from waystation.telemetry import reader
        from waystation.telemetry.charting import chart_of
        from waystation.telemetry.store import rollups

        site_id, codes = _site()
        bytes_of = _seal(site_id, codes)
        total = SENSORS * DAYS * 1440
        report.add("sealed_bytes_per_reading", bytes_of["segments"] / total)
        report.add("rollup_bytes_per_reading", bytes_of["rollups"] / total)
        end_us = round(END.timestamp() * 1e6)
        day_us, month_us = end_us - 1440 * MINUTE_US, end_us - DAYS * 1440 * MINUTE_US
        one = median_of(lambda: reader.by_columns(site_id, codes[:1], day_us, end_us))
        site = median_of(lambda: reader.by_buckets(site_id, codes, day_us, end_us))
        report.add("sensor_day_ms", one * 1e3)
        report.add("site_day_by_5_min_ms", site * 1e3)
        report.add(
            "sensor_month_by_5_min_ms", median_of(lambda: reader.by_buckets(site_id, codes[:1], month_us, end_us)) * 1e3
        )
        report.add(
            "sensor_month_all_readings_ms",
            median_of(lambda: reader.by_columns(site_id, codes[:1], month_us, end_us), 3) * 1e3,
        )
        report.add("peer_duckdb_sensor_day_ms", median_of(lambda: _plain(data, codes[0], day_us, end_us)) * 1e3)
        space = Space.objects.get(code="fridge-0")
        report.add("chart_of_a_day_ms", median_of(lambda: chart_of(space, END - timedelta(days=1), END), 3) * 1e3)
        report.add("chart_of_a_month_ms", median_of(lambda: chart_of(space, END - timedelta(days=30), END), 3) * 1e3)
        assert rollups.BUCKET_US == 5 * MINUTE_US
        report.judge("one sensor's day: at most 20 ms", one <= 0.020)
        report.judge("a site's day at 5 min: at most 100 ms", site <= 0.100)
        report.judge("at most 3.5 bytes a reading", bytes_of["segments"] / total <= 3.5)
        report.keep()


def _site() -> tuple[UUID, list[str]]:
    from tests.samples import a_sensor, a_site, a_space

    site = a_site()
    spaces = [a_space(code=f"fridge-{n}") for n in range(SENSORS // 2)]
    return site.pk, [a_sensor(space, f"probe-{n}").code for space in spaces for n in (1, 2)]


def _seal(site_id: UUID, codes: list[str]) -> dict[str, int]:
    """A segment for each hour with its buckets, as the sealer leaves them; values in steps of 0.1 degC."""
    from waystation.telemetry import stores
    from waystation.telemetry.models import Segment
    from waystation.telemetry.store import rollups, segments

    chance, sizes = random.Random(5), {"segments": 0, "rollups": 0}
    now = dict.fromkeys(codes, 50)
    begin_us = round((END - timedelta(days=DAYS)).timestamp() * 1e6)
    for hour in range(DAYS * 24):
        first_us = begin_us + hour * 60 * MINUTE_US
        rows = []
        for code in codes:
            for minute in range(60):
                now[code] = min(79, max(21, now[code] + chance.choice((-1, 0, 0, 0, 1))))
                at_us = first_us + minute * MINUTE_US
                rows.append(
                    segments.Stored(code, at_us, now[code] / 10, "signed_batch", "m", 1, hour * 60 + minute, at_us + 9)
                )
        name = f"{site_id}/{hour + 1:010d}.parquet"
        digest = segments.write(stores.segment_path(name), rows)
        rollups.make(stores.segment_path(name), stores.rollup_path(name))
        span = {"first_us": first_us, "last_us": first_us + 59 * MINUTE_US}
        Segment(
            site_id=site_id, kind="segment", rows=len(rows), sha256=digest, path=name, log_file=hour + 1, **span
        ).save()
        sizes["segments"] += stores.segment_path(name).stat().st_size
        sizes["rollups"] += stores.rollup_path(name).stat().st_size
    return sizes


def _plain(data: Path, code: str, from_us: int, to_us: int) -> int:
    from waystation.telemetry.models import Segment

    names = Segment.objects.filter(first_us__lt=to_us, last_us__gte=from_us).values_list("path", flat=True)
    files = ", ".join(f"'{data / 'telemetry' / 'segments' / name}'" for name in names)
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT observed_us, value FROM read_parquet([{files}]) WHERE sensor = $code ORDER BY observed_us",
            {"code": code},
        ).fetchnumpy()
    return len(rows["value"])


if __name__ == "__main__":
    main()
