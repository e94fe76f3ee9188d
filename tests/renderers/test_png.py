"""PNG bytes hold the pixels, in 16 greys."""

from __future__ import annotations

from io import BytesIO

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pixels

from sfumato.renderers.png import encoded


@given(st.integers(1, 70), st.integers(1, 40), st.randoms(use_true_random=False))
def test_every_pixel_is_the_nearest_of_sixteen_greys(width, height, random):
    greys = bytes(random.choices(range(256), k=width * height))
    read = Pixels.open(BytesIO(encoded(Pixels.frombytes("L", (width, height), greys))))
    read.load()
    assert (read.format, read.mode, read.size) == ("PNG", "L", (width, height))
    assert list(read.tobytes()) == [round(grey / 17) * 17 for grey in greys]
