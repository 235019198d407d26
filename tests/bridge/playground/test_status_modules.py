"""What the modules of the operator's page make of figures: rates, shares, quantiles, words."""

import pytest

from tests.support.repository import ROOT

STATUS = ROOT / "bridge/playground/static/status"


@pytest.fixture(scope="module")
def said(node):
    return node("status_page.mjs", str(STATUS))


def test_it_asks_every_two_seconds_while_somebody_looks_and_never_else(said):
    opened, after_4_s, hidden_for_a_minute, seen_again, paused_for_a_minute = said["polled"]
    assert (opened, after_4_s, hidden_for_a_minute, seen_again, paused_for_a_minute) == (1, 3, 3, 4, 4)


def test_a_rate_is_the_growth_between_two_samples(said):
    assert said["rates"] == [[0, None], [2, 2], [4, 0]]


def test_a_counter_that_began_anew_has_grown_by_what_it_shows(said):
    assert said["ratesOverRestart"] == [[0, None], [2, 2]]
    assert said["increase"] == 4 + 3 + 2


def test_nothing_is_said_of_a_time_in_which_nothing_was_seen(said):
    assert said["ratesOverGap"] == [[0, None], [60, None], [62, 1]]
    assert said["ratesWithoutFigures"] == [[0, None], [2, None], [4, None]]


def test_the_rate_that_is_shown_is_that_of_the_last_ten_seconds(said):
    assert (said["rate"], said["rateOfOne"], said["rateOfNone"]) == (1, None, None)


def test_a_share_is_of_what_came_in_the_minute_before(said):
    assert said["shares"] == [[0, None], [2, None], [4, 0.5]]


def test_ten_minutes_are_kept_and_a_clock_that_is_set_back_begins_anew(said):
    assert said["kept"] == [301, 600]
    assert said["setBack"] == 1


def test_quantiles_are_prometheus_estimates(said):
    assert said["quantiles"] == pytest.approx([0, 0.1, 0.4, 0.875, 1])
    assert said["quantileAboveAllBounds"] == 1
    assert said["quantileOfNothing"] is None


def test_a_histogram_of_the_last_minutes_is_what_was_added(said):
    assert said["since"] == {"count": 6, "sum": 3, "buckets": [[0.1, 0], [0.5, 4], [1, 6], [None, 6]]}
    assert said["sinceRestart"] == 4


def test_figures_are_written_for_people(said):
    assert said["durations"] == ["12.3 ms", "500 ms", "1.23 s", "250 s", "–"]
    assert said["percents"] == ["0 %", "0.4 %", "50 %", "100 %", "–"]
    assert said["rates_"] == ["0", "0", "3.5", "1,235", "–"]


def test_how_far_a_load_is_is_read_from_what_the_service_says(said):
    assert said["progress"] == [pytest.approx(4.2 / 13.5), 1, None, None]
