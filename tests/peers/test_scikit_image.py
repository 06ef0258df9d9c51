"""The live service's SSIM against scikit-image's, with the window of Wang et al. 2004."""

import numpy as np
import pytest
from painting import SIZE, request

pytest.importorskip("skimage", reason="needs the extra 'peers'")
pytest.importorskip("diffusers", reason="needs the extra 'repaint'")

from skimage import metrics

from aigc_market.ssim.repaint import RePaintSSIM


@pytest.mark.parametrize("region", ["whole", "unknown"])
@pytest.mark.parametrize("which", range(5))
def test_a_repainted_picture_scores_what_scikit_image_gives_it(tiny, region, which, compared):
    """Of colours side by side; in the unknown region the mean of the map of SSIM there."""
    asked = request(5, seed=which, which=which)
    served = RePaintSSIM(tiny, schedule_calls=20, region=region).serve([asked])[0]
    channels = []
    for channel in range(3):
        score, field = metrics.structural_similarity(
            asked.image[..., channel].astype(np.float64),
            served.image[..., channel].astype(np.float64),
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        assert field.shape == (SIZE, SIZE)
        channels.append(score if region == "whole" else field[asked.mask].mean())
    assert -1 < served.ssim < 0.99
    compared("SSIM of a picture", "scikit-image", served.ssim, np.mean(channels), 1e-5)
