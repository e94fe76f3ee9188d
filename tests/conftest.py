"""Settings all tests share."""

import os

from hypothesis import HealthCheck, Phase, settings

# Machines are noisy: no test may fail because it was slow.
settings.register_profile(
    "suite",
    deadline=None,
    max_examples=60,
    # New examples at every run find bugs; where a change is judged, the same ones do.
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
# Enough to know that a test fails, without looking for the simplest failure.
settings.register_profile(
    "quick-to-fail",
    settings.get_profile("suite"),
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))
