"""Pictures that tests have repainted, and how far apart two computations of one may be."""

import numpy as np
import pytest

from aigc_market.ssim.repaint import Request, scene

SIZE = 16


def request(steps=3, seed=0, which=0, **changed):
    """To repaint the right half of a scene."""
    mask = np.zeros((SIZE, SIZE), bool)
    mask[:, SIZE // 2 :] = True
    return Request(scene(which, SIZE).image, mask, steps, seed)._replace(**changed)


def requests(steps):
    """Each of another scene, with noise of another seed."""
    return [request(calls, i, i) for i, calls in enumerate(steps)]


def same(results, others, atol=0.0):
    """To the last bit, or to rounding."""
    for one, two in zip(results, others, strict=True):
        np.testing.assert_allclose(one.image, two.image, rtol=0, atol=atol)
        assert one.ssim == pytest.approx(two.ssim, rel=0, abs=atol)


def rounding(schedule):
    """In [−1, 1], for pictures of a chain.

    The noise that a network predicts is divided by √ᾱ as it becomes a picture, and its rounding
    with it: most at the noisiest call, whose trace the later ones carry on. Layers add up to some
    units in the last place: 4 were measured, in any batch of 24 pictures.
    """
    return 32 * np.finfo(np.float32).eps / np.sqrt(schedule.level.min())
