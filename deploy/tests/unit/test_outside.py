import json

from deploy.local.outside import PORTAL, Outside


def test_ports_survive_a_command_line() -> None:
    outside = Outside(fienta=1, twilio=2, portal=3, intake=4)
    assert Outside.load(outside.dump()) == outside


def test_stack_joined_to_simulators_never_speaks_to_the_real_ones() -> None:
    outside = Outside(fienta=1, twilio=2, portal=3, intake=4)
    settings = outside.settings()
    assert outside.is_simulated
    addresses = (
        settings["FIENTA_BASE_URL"],
        settings["TWILIO_URL"],
        json.loads(settings["NETLIFE_PORTALS"])[PORTAL],
    )
    assert all(address.startswith("http://127.0.0.1:") for address in addresses)


def test_stack_that_is_joined_to_nothing_is_said_to_be() -> None:
    assert not Outside().is_simulated
    assert not Outside(intake=2525).is_simulated
