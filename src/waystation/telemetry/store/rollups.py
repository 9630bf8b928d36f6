"""Five-minute buckets of sealed readings, as files of their own: derived, made when a segment is sealed.

A bucket keeps lowest and highest, so that nothing drawn from it hides a peak. Each file can be dropped and made again
from its segment; no entry names one, and no verdict is read from one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from waystation.telemetry.rules.thinning import BUCKET_US, Bucket
from waystation.telemetry.store.reduced import COLUMNS
from waystation.telemetry.store.segments import quoted, reading

_START = f"observed_us - ((observed_us % {BUCKET_US}) + {BUCKET_US}) % {BUCKET_US}"


def make(segment: Path, rollup: Path) -> None:
    """Write the buckets of a sealed file; the file appears whole or not at all."""
    rollup.parent.mkdir(parents=True, exist_ok=True)
    partial = rollup.with_suffix(".partial")
    with reading([segment]) as connection:
        connection.execute(
            f"COPY ({_of_segments([segment])} ORDER BY sensor, start_us) TO {quoted(partial)} "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
    partial.rename(rollup)


def read(
    files: Sequence[Path], segments: Sequence[Path], sensors: Sequence[str], from_us: int, to_us: int
) -> list[Bucket]:
    """The buckets that begin in [from, to) of those sensors, by sensor and time, from files of buckets and from sealed
    files without one; five minutes that several files know are one bucket (a reading sent twice counts twice in it).
    """
    parts = []
    if files:
        names = ", ".join(quoted(path) for path in files)
        parts.append(f"SELECT {', '.join(COLUMNS)} FROM read_parquet([{names}])")
    if segments:
        parts.append(_of_segments(segments))
    if not parts or not sensors:
        return []
    query = (
        "SELECT sensor, start_us, min(nullif(low, 'nan'::double)), max(nullif(high, 'nan'::double)), "
        "sum(CASE WHEN measured > 0 THEN mean * measured END) / nullif(sum(measured), 0), sum(measured), sum(missing) "
        f"FROM ({' UNION ALL BY NAME '.join(parts)}) "
        "WHERE sensor IN (SELECT unnest($sensors)) AND start_us >= $from_us AND start_us < $to_us "
        "GROUP BY sensor, start_us ORDER BY sensor, start_us"
    )
    words = {"sensors": list(sensors), "from_us": from_us, "to_us": to_us}
    with reading([*files, *segments]) as connection:
        rows = connection.execute(query, words).fetchall()
    return [Bucket(r[0], r[1], r[2], r[3], r[4], int(r[5]), int(r[6])) for r in rows]


def _of_segments(paths: Sequence[Path]) -> str:
    """A query for the buckets of sealed files, each (sensor, instant, value) of a file once."""
    names = ", ".join(quoted(path) for path in paths)
    once = f"SELECT DISTINCT sensor, observed_us, value FROM read_parquet([{names}])"
    return (
        f"SELECT sensor, {_START} AS start_us, min(value) FILTER (NOT isnan(value)) AS low, "
        "max(value) FILTER (NOT isnan(value)) AS high, round(avg(value) FILTER (NOT isnan(value)), 4) AS mean, "
        "count(*) FILTER (NOT isnan(value)) AS measured, count(*) FILTER (value IS NULL OR isnan(value)) AS missing "
        f"FROM ({once}) GROUP BY sensor, start_us"
    )
