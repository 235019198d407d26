"""Links of documents become links of the site."""

import pytest

from scripts.site.pages import in_site


@pytest.mark.parametrize(
    ("page", "link", "there"),
    [
        ("index.md", "[models](docs/models.md#gguf)", "[models](models.md#gguf)"),
        ("index.md", "![a chat](docs/playground.png)", "![a chat](playground.png)"),
        ("tour.md", "[rooms](../ARCHITECTURE.md)", "[rooms](architecture.md)"),
        ("clients/go.md", "[stubs](../../docs/stubs.md)", "[stubs](../stubs.md)"),
        ("models.md", "[below](#gguf)", "[below](#gguf)"),
        ("models.md", "[Envoy](https://envoyproxy.io)", "[Envoy](https://envoyproxy.io)"),
    ],
)
def test_a_link_to_a_document_leads_to_its_page(page, link, there):
    assert in_site(link, page) == there


@pytest.mark.parametrize(
    ("link", "there"),
    [
        ("[deploy/envoy](../deploy/envoy)", "`deploy/envoy`"),
        ("[the rules](../deploy/observability/alerts.yml)", "the rules (`deploy/observability/alerts.yml`)"),
    ],
)
def test_a_link_to_another_file_becomes_its_path(link, there):
    assert in_site(link, "operations.md") == there


def test_code_stays_as_it_is():
    code = "```md\n[a](../b.md)\n```\n"
    assert in_site(code, "models.md") == code
