"""Of the operators that a device has to write itself, none is forgotten: each has a kernel or a reason for having none."""

from test.opinfo import overloads


def test_overloads_without_a_kernel_have_a_reason():
    unexplained = [
        name
        for name in overloads.cpu_overloads()
        if overloads.registration(name) == "none" and overloads.reason_left_out(name) is None
    ]
    assert unexplained == []


def test_reasons_are_of_operators_that_exist():
    names = overloads.cpu_overloads()
    reasons = {overloads.reason_left_out(name) for name in names}
    assert set(overloads.LEFT_OUT.values()) <= reasons


def test_registrations_are_told_apart():
    assert overloads.registration("mul.out") == "kernel"
    assert overloads.registration("linalg_qr.out") == "host"
    assert overloads.registration("_test_optional_intlist") == "none"


def test_the_figures_add_up():
    figures = overloads.figures()
    by_registration = figures["cpu_overloads_by_registration"]
    assert figures["cpu_overloads"] == sum(by_registration.values()) == len(overloads.cpu_overloads()) > 600
    assert sum(map(len, figures["cpu_overloads_without_kernel"].values())) == by_registration["none"]
    assert 0 < by_registration["host"] < 30
