import pytest

from deploy.local.options import of_run, of_tests


def test_nothing_asked_for_is_to_start_everything() -> None:
    options = of_run([])
    assert (options.command, options.port, options.gateway, options.intake_port) == ("up", None, None, 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fly"], "invalid choice: 'fly'"),
        (["--port", "eighty"], "invalid port value: 'eighty'"),
        (["--port", "65536"], "between 1 and 65535"),
        (["--port", "0"], "between 1 and 65535"),
    ],
)
def test_what_cannot_be_understood_ends_with_a_word_about_it(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        of_run(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_everything_behind_two_dashes_goes_to_pytest() -> None:
    options, extra = of_tests(["unit", "-v", "--", "-k", "login"])
    assert (options.tier, options.verbose, extra) == ("unit", 1, ["-k", "login"])
