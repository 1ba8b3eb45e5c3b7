import pytest

from collector.web.pressure import Lag, Pressure, pressure, switched


@pytest.mark.parametrize(
    ("fill", "late", "shut", "level"),
    [
        pytest.param(0.0, 0.0, False, Pressure.NORMAL, id="nothing to do"),
        pytest.param(0.25, 0.25, False, Pressure.NORMAL, id="a quarter is normal"),
        pytest.param(0.26, 0.0, False, Pressure.NO_EXTRAS, id="more than a quarter of the queue"),
        pytest.param(0.0, 0.26, False, Pressure.NO_EXTRAS, id="a quarter of a second late"),
        pytest.param(0.51, 0.0, False, Pressure.COUNTS_ONLY, id="more than half of the queue"),
        pytest.param(0.0, 0.51, False, Pressure.COUNTS_ONLY, id="half a second late"),
        pytest.param(1.0, 0.0, False, Pressure.SHED, id="a full queue"),
        pytest.param(0.0, 1.0, False, Pressure.SHED, id="a second late"),
        pytest.param(0.0, 0.0, True, Pressure.SHED, id="too many requests"),
    ],
)
def test_detail_goes_first(fill: float, late: float, shut: bool, level: Pressure) -> None:
    assert pressure(fill, late, shut=shut) is level


def test_one_pause_is_no_overload_and_two_late_rounds_are() -> None:
    lag = Lag()
    lag.saw(3.0)
    assert lag.seconds == 0.0
    lag.saw(0.0)
    lag.saw(3.0)
    assert lag.seconds == 0.0
    lag.saw(2.0)
    assert lag.seconds == 2.0
    lag.saw(-0.001)  # a clock is not exact
    assert 1.0 < lag.seconds < 2.0
    for _ in range(40):
        lag.saw(0.0)
    assert lag.seconds < 0.001


def test_a_switch_has_play() -> None:
    told = []
    is_on = False
    for value in (0.9, 1.0, 0.6, 0.5, 0.4, 0.9):
        is_on = switched(is_on, value, on=1.0, off=0.5)
        told.append(is_on)
    assert told == [False, True, True, True, False, False]
