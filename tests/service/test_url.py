"""Where the broker is."""

from __future__ import annotations

import pytest

from tidings.errors import OperatorError
from tidings.service.url import bootstrap_servers, broker_url


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        ("kafka://127.0.0.1:9092", "127.0.0.1:9092"),
        ("kafka://broker", "broker:9092"),
        ("kafka://a:1,b:2, c/", "a:1,b:2,c:9092"),
        ("kafka://[::1]:9093", "[::1]:9093"),
    ],
)
def test_url_names_the_hosts(url: str, servers: str) -> None:
    assert bootstrap_servers(url) == servers


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:9092", "http://a:1", "kafka://", "kafka://a:b", "kafka://a:1,,b:2", "kafka://a:1/topic"]
)
def test_what_is_no_url_is_refused_with_the_way_out(url: str) -> None:
    with pytest.raises(OperatorError) as refused:
        bootstrap_servers(url)
    assert "kafka://127.0.0.1:9092" in refused.value.way_out


def test_environment_says_where_unless_the_program_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIDINGS_URL", raising=False)
    assert broker_url() == "kafka://127.0.0.1:9092"
    monkeypatch.setenv("TIDINGS_URL", "kafka://elsewhere:1")
    assert broker_url() == "kafka://elsewhere:1"
    assert broker_url("kafka://here:2") == "kafka://here:2"
