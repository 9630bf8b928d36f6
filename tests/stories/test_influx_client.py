"""The InfluxDB Python client, as integrators run it, against the real ingest process."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from influxdb_client import InfluxDBClient, Point, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS, WriteOptions
from influxdb_client.rest import ApiException

from tests.stories.serving import Served
from tests.stories.test_ingest_process import _in_log, _token

pytestmark = pytest.mark.processes


def test_int_05_the_influxdb_python_client_writes_pings_and_is_told_what_is_wrong(served: Served) -> None:
    """Points, dictionaries and lines in four precisions, gzip, batches; a bad line comes back with its reason."""
    token, probe = _token(served), next(code for code in served.probes if code.startswith("cordoba"))
    base_s = int(time.time()) - 3600
    with InfluxDBClient(f"http://{served.ingest_bind}", token=token, org="any", enable_gzip=True) as client:
        assert client.ping()
        write = client.write_api(write_options=SYNCHRONOUS)
        points = {
            WritePrecision.S: base_s + 1,
            WritePrecision.MS: (base_s + 2) * 1000,
            WritePrecision.US: (base_s + 3) * 1_000_000,
            WritePrecision.NS: (base_s + 4) * 1_000_000_000,
        }
        for precision, at in points.items():
            write.write(
                "any", "any", Point("t").tag("sensor", probe).field("value", 5.1).time(at, precision), precision
            )
        at = datetime.fromtimestamp(base_s + 5, UTC)
        write.write("any", "any", {"measurement": "t", "tags": {"sensor": probe}, "fields": {"value": 5}, "time": at})
        write.write("any", "any", f"t,sensor={probe} value=5.3 {base_s + 6}", WritePrecision.S)
        with pytest.raises(ApiException) as refused:
            write.write("any", "any", [f"t,sensor={probe} value=5.4 {base_s + 7}", "t value=x"], WritePrecision.S)
        assert refused.value.status == 400
        assert "line 2" in str(refused.value.body)
        with client.write_api(write_options=WriteOptions(batch_size=50, flush_interval=200)) as batching:
            for n in range(100):
                batching.write("any", "any", f"t,sensor={probe} value=5.5 {base_s + 100 + n}", WritePrecision.S)
    wanted = {(base_s + n) * 1_000_000 for n in (*range(1, 8), *range(100, 200))}
    assert wanted <= set(_in_log(served.folder, probe))
    with InfluxDBClient(f"http://{served.bind}", token="wst_wrong", org="any") as stranger:
        with pytest.raises(ApiException) as unknown:
            stranger.write_api(write_options=SYNCHRONOUS).write("any", "any", "t value=5")
        assert unknown.value.status == 401
