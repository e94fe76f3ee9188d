"""A short torture; ``make torture`` is the long one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

# Coverage's tracer would double the time that these many examples take.
pytestmark = pytest.mark.no_cover

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_no_acknowledged_turn_is_lost_to_kill_9():
    from torture import torture

    told: list[str] = []
    result = torture(16, seed=7, say=told.append)
    assert result["failures"] == []
    assert sum(result["phases"].values()) == 16
    assert len(result["phases"]) > 1
