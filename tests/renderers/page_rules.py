"""What a host may ask of its pages, and the type sizes tried, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from sfumato.renderers import PageRules

CANVASES = ((512, 512), (640, 640), (1024, 1024), (1280, 1280))

sizes = st.floats(6, 24)
grids = st.builds(
    PageRules,
    st.sampled_from([1, 16, 28, 32, 64, 512]),
    st.integers(512, 3000),
    st.integers(512, 3000),
)
