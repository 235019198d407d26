"""How many connections there may be, by the descriptors that there are."""

import resource

import pytest

from transport.descriptors import RESERVE, TooManyConnectionsError, most_connections, raise_limit


@pytest.mark.parametrize(
    ("asked", "limit", "most"),
    [
        (0, 1_048_576, 4096),
        (0, -1, 4096),
        (0, 1024, 1024 - RESERVE),
        (0, 128, 64),
        (100, 1024, 100),
        (50_000, 1_048_576, 50_000),
        (50_000, -1, 50_000),
    ],
)
def test_the_descriptors_allow_so_many(asked, limit, most):
    assert most_connections(asked, 4096, limit) == most


def test_more_than_there_are_descriptors_for_is_refused_with_what_to_do():
    with pytest.raises(TooManyConnectionsError, match=r"5000 needs .* LimitNOFILE= .* lower the number"):
        most_connections(5000, 4096, 1024)


def test_the_soft_limit_is_raised_to_the_hard_one():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert raise_limit() == before[1] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
