"""DDS domains: nobody else's, and free again when they are no longer needed."""

import socket
from itertools import pairwise

from collect.link import free_domain


def test_who_asks_at_once_gets_another():
    """Each is its own as long as it is needed."""
    with free_domain() as first, free_domain() as second:
        assert first != second


def test_a_domain_can_be_had_again():
    """There are 180; a long run of tests asks for more, one after the other."""
    domains = []
    for _ in range(400):
        with free_domain() as domain:
            domains.append(domain)
    assert len(set(domains)) <= 180
    assert all(one != other for one, other in pairwise(domains))


def test_one_whose_discovery_port_is_taken_is_passed_over():
    """By a program that has not asked here."""
    with free_domain() as domain:
        pass
    following = domain + 1 if domain < 199 else 20
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 7410 + 250 * following))
        with free_domain() as found:
            assert found != following
