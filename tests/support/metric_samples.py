"""What the service tells Prometheus."""

import asyncio
import urllib.request

from prometheus_client.parser import text_string_to_metric_families


async def samples(port: int) -> dict[tuple[str, ...], float]:
    """All samples of a metrics port, by name and sorted label values."""
    url = f"http://127.0.0.1:{port}/metrics"
    page = await asyncio.to_thread(lambda: urllib.request.urlopen(url).read().decode())
    families = text_string_to_metric_families(page)
    found = [sample for family in families for sample in family.samples]
    return {(sample.name, *sorted(sample.labels.values())): sample.value for sample in found}
