"""What stays on this machine."""

import pytest

from transport.addresses import ClearTextError, check_target_of_token, is_local_target, is_loopback


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_by_its_names(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "localhost.example", "127.0.0.1.example", ""])
def test_what_other_machines_reach(host):
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "target",
    ["127.0.0.1:1", "[::1]:1", "localhost:1", "dns:///localhost:1", "ipv4:127.0.0.1:1,127.0.0.2:1", "unix:/s",
     "unix-abstract:s"],
)  # fmt: skip
def test_targets_of_this_machine(target):
    assert is_local_target(target)
    check_target_of_token(target)


@pytest.mark.parametrize("target", ["10.0.0.1:1", "ipv4:127.0.0.1:1,10.0.0.1:1", "dns://10.0.0.1/localhost:1", "gpu:1"])
def test_a_token_for_other_machines_is_not_sent_in_clear_text(target):
    with pytest.raises(ClearTextError, match=f"sent to {target} in clear text: give --service-ca, or"):
        check_target_of_token(target)
