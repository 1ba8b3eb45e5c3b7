"""What was forgotten begins at zero again, and is counted where it is read."""

from collector.metrics import Metrics
from collector.model import Dialect, Kind


def _value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_a_host_that_was_released_and_admitted_again_is_counted_anew() -> None:
    metrics = Metrics()

    def count() -> tuple[float | None, float | None]:
        metrics.violation("p", "h", Kind.PIN_MISMATCH, "ios", enforced=True)
        where = {"project": "p", "host": "h"}
        return (
            _value(metrics, "pinfall_violations_total", kind="pin_mismatch", **where),
            _value(metrics, "pinfall_pin_failures_total", platform="ios", enforced="true", **where),
        )

    assert count() == (1, 1)
    assert count() == (2, 2)
    metrics.keep_hosts([])
    assert not metrics.knows("p", "h")
    assert count() == (1, 1)
    assert metrics.knows("p", "h")


def test_a_project_that_was_deleted_and_made_again_is_counted_anew() -> None:
    metrics = Metrics()

    def count() -> float | None:
        metrics.receive(1)
        metrics.result("p", Dialect.NEL, "accepted")
        labels = {"project": "p", "dialect": "nel", "result": "accepted"}
        return _value(metrics, "pinfall_reports_total", **labels)

    metrics.know_project("p")
    assert [count(), count()] == [1, 2]
    metrics.keep_projects([])
    assert count() == 1
