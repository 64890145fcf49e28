"""Alert rules and dashboard: they can be loaded, and speak of what the filter's page really has."""

import json
import re

import pytest

from lab import tools
from lab.metrics import promtool, scrape
from lab.milter_client import TAG, MilterSession, mail
from lab.outcomes import outcomes, words
from lab.process import Port

RULES = tools.ROOT / "conf/prometheus/cancel-invite-milter.rules.yml"
RULES_TEST = tools.ROOT / "tests/alerts/cancel-invite-milter.test.yml"
DASHBOARD = tools.ROOT / "conf/grafana/cancel-invite-milter.json"

# What Prometheus adds to each series, and the one that it makes itself.
ADDED = {"job", "instance"}
OWN = {"up"}

@pytest.fixture(scope="module")
def page(start_filter, _standin):
    """Of a filter that has just cancelled something."""
    _standin.reset()
    _standin.set(open=True)
    port = Port()
    filter = start_filter(metrics={"listen": f"127.0.0.1:{port.number}"}, ledger={"file": "ledger.db"})
    with MilterSession(filter.socket) as mta:
        assert mta.deliver(mail(TAG)).action == "accept"
    yield scrape(port.number)
    port.close()


def alerts():
    """The alerts of the rules' file, each with its text."""
    text = re.sub(r"^ *#.*\n", "", RULES.read_text(), flags=re.M)
    return {part.split("\n", 1)[0].strip(): part for part in text.split("- alert:")[1:]}


def expressions_of_alerts():
    return [re.search(r"\n +expr: (.*?)\n +(?:for|labels):", text, re.S)[1].lstrip("|")
            for text in alerts().values()]


def expressions_of_dashboard():
    board = json.loads(DASHBOARD.read_text())
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])] + [
        annotation["expr"] for annotation in board["annotations"]["list"]] + [
        re.sub(r"label_values\((.*), (\w+)\)", r"count by (\2) (\1)", variable["definition"])
        for variable in board["templating"]["list"] if "definition" in variable]


def selectors(expression):
    """The series that an expression speaks of: [(name, [(label, operator, value)])]."""
    names = r"\b((?:cancel_invite|process)_\w+|up)\b(?:\{([^}]*)\})?"
    return [(name, re.findall(r'(\w+)(=~|=|!=|!~)"([^"]*)"', matchers))
            for name, matchers in re.findall(names, expression)]


@pytest.mark.parametrize("expressions", [expressions_of_alerts, expressions_of_dashboard],
                         ids=["alerts", "dashboard"])
class TestExpressions:
    def test_speak_only_of_series_that_there_are(self, expressions, page):
        spoken = {name for expression in expressions() for name, _ in selectors(expression)}
        assert len(spoken) > 10
        assert spoken - page.names() - OWN == set()

    def test_ask_only_for_labels_and_values_that_there_are(self, expressions, page):
        for expression in expressions():
            for name, matchers in selectors(expression):
                if name in OWN:
                    continue
                series = [labels for labels, _ in page.series(name)]
                for label, operator, value in matchers:
                    if label in ADDED:
                        continue
                    values = {labels[label] for labels in series if label in labels}
                    assert values, f"{name} has no label {label}: {expression}"
                    if "$" not in value:
                        asked = set(value.split("|") if "~" in operator else [value])
                        assert asked <= values, f"{name} never has {asked - values}: {expression}"

    def test_say_every_result_that_there_is_and_no_other(self, expressions):
        for expression in expressions():
            for name, matchers in selectors(expression):
                for label, operator, value in matchers:
                    if (name, label) == ("cancel_invite_messages_total", "result"):
                        assert set(value.split("|")) <= words(), expression

    def test_divide_by_all_messages_that_cronofy_decided(self, expressions):
        """A result that is left out of the denominator makes the rate too high."""
        asked = {each.word for each in outcomes() if each.by_cronofy}
        denominators = [set(value.split("|")) for expression in expressions()
                        for below in re.findall(r"/([^/]*)", expression)
                        for name, matchers in selectors(below)
                        for label, _, value in matchers if label == "result"]
        assert denominators and all(each == asked for each in denominators)

    def test_group_only_by_labels_that_there_are(self, expressions, page):
        for expression in expressions():
            for labels, name in re.findall(
                    r"by \(([\w, ]+)\) \(+(?:\w+\()?((?:cancel_invite|process)_\w+)", expression):
                there = {label for labels, _ in page.series(name) for label in labels} | ADDED
                assert set(labels.split(", ")) <= there, expression

    def test_can_be_evaluated(self, expressions, workdir):
        lines = ["groups:", "  - name: all", "    rules:"]
        for number, expression in enumerate(expressions()):
            plain = expression.replace("$__rate_interval", "5m").replace("\n", " ")
            lines += [f"      - record: 'r{number}'", f"        expr: '{plain}'"]
        promtool("check", "rules", workdir.write("rules.yml", "\n".join(lines) + "\n"))


class TestAlerts:
    def test_can_be_loaded(self):
        assert f"{len(alerts())} rules found" in promtool("check", "rules", RULES)

    def test_fire_when_they_should(self):
        promtool("test", "rules", RULES_TEST)

    def test_are_all_tested(self):
        tested = set(re.findall(r'alertname="(\w+)"', RULES_TEST.read_text()))
        assert tested == set(alerts())

    def test_say_what_to_do(self):
        for name, text in alerts().items():
            assert re.search(r"severity: (critical|warning)\}", text), name
            assert re.search(r'\n +summary: "[^"\n]{20,120}"\n', text), name
            description = re.search(r"\n +description: >-\n(.*)", text, re.S)
            assert description and len(description[1].split()) > 15, name


class TestDashboard:
    def test_has_panels_that_do_not_overlap(self):
        board = json.loads(DASHBOARD.read_text())
        taken, ids = set(), set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                     for y in range(at["y"], at["y"] + at["h"])}
            assert at["x"] + at["w"] <= 24 and not cells & taken, panel["title"]
            assert panel["id"] not in ids and panel["title"]
            assert panel["type"] == "row" or panel["targets"], panel["title"]
            taken |= cells
            ids.add(panel["id"])

    def test_takes_the_data_source_that_is_chosen(self):
        board = json.loads(DASHBOARD.read_text())
        assert [v["name"] for v in board["templating"]["list"]][0] == "datasource"
        for thing in [*board["panels"], *board["annotations"]["list"]]:
            if thing.get("type") != "row":
                assert thing["datasource"] == {"type": "prometheus", "uid": "${datasource}"}

    def test_shows_every_counter_of_the_page(self, page):
        shown = {name for expression in expressions_of_dashboard()
                 for name, _ in selectors(expression)}
        counters = {name for name in page.names()
                    if name.startswith("cancel_invite_") and name.endswith("_total")}
        # A reload is seen by what came of it.
        assert counters - shown == {"cancel_invite_config_reloads_total"}
