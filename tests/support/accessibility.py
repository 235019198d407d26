"""What axe-core finds on a page that keeps people out."""

from selenium import webdriver

from scripts.real_clients import PLAYGROUND_FOLDER, has_playground_packages
from tests.support.missing_tools import skip_or_fail

AXE = PLAYGROUND_FOLDER / "node_modules/axe-core/axe.min.js"

_RUN = """
const done = arguments[0];
axe.run(document, {resultTypes: ["violations"]}).then(({violations}) => done(
    violations.flatMap(({id, impact, nodes}) => nodes.map((node) => [impact, id, node.html.slice(0, 200)]))
));
"""


def serious_violations(browser: webdriver.Chrome) -> list[tuple[str, str, str]]:
    """Impact, rule and element of each serious or critical violation on the page as it is now."""
    if not has_playground_packages():
        skip_or_fail("bridge/playground/node_modules is not as package-lock.json has it: run `make setup-dev`")
    browser.execute_script(AXE.read_text())
    found = browser.execute_async_script(_RUN)
    return [(impact, rule, html) for impact, rule, html in found if impact in ("serious", "critical")]
