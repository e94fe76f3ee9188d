"""Settings all tests share."""

from hypothesis import HealthCheck, settings

# Machines are noisy: no test may fail because it was slow.
settings.register_profile(
    "suite",
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("suite")
