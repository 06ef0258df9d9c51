"""Pictures to repaint, and the masks that say where."""

import numpy as np
import pytest
from PIL import Image
from skimage import io

from aigc_market.ssim.repaint import Scene, pictures, scene

SHARES = {  # of the picture, at least and at most
    "half": (0.5, 0.5),
    "box": (0.25, 0.25),
    "stripes": (0.5, 0.5),
    "road": (0.1, 0.7),
    "strokes": (0.35, 0.6),
}


@pytest.mark.parametrize("kind", pictures.MASKS)
def test_a_mask_covers_its_share(kind):
    low, high = SHARES[kind]
    for seed in range(10):
        for size in (16, 32):
            mask = pictures.mask(kind, scene(seed, size), seed)
            assert mask.shape == (size, size)
            assert mask.dtype == bool
            assert low <= mask.mean() <= high


def test_the_road_is_where_the_scene_says():
    for seed in range(20):
        picture = scene(seed, 32)
        assert (pictures.mask("road", picture, 0) == picture.road).all()
        assert not picture.road[:10].any()  # the sky


def test_the_road_needs_scenes():
    (photograph,) = pictures.load("photographs", 32, 1)
    with pytest.raises(ValueError, match=r"mask must cover some.*'road'"):
        pictures.mask("road", photograph, 0)


def test_strokes_depend_on_the_seed_alone():
    one, two, other = (
        pictures.mask("strokes", scene(which, 32), seed) for which, seed in ((0, 1), (5, 1), (0, 2))
    )
    assert (one == two).all()
    assert (one != other).any()


def test_scenes_are_their_seeds():
    images = [scene(seed, 16).image for seed in range(30)]
    assert len({image.tobytes() for image in images}) == 30
    for seed, image in enumerate(images):
        again = scene(seed, 16)
        assert (again.image == image).all()
        assert image.shape == (16, 16, 3)
        assert image.dtype == np.float32
        assert 0 <= image.min() < image.max() <= 1
    assert isinstance(scene(0), Scene)
    assert scene(0).image.shape == (32, 32, 3)


def test_photographs_need_no_network(monkeypatch):
    import socket

    def refuse(*_):
        raise AssertionError("a network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    loaded = pictures.load("photographs", 32, 10)
    assert len(loaded) == 4
    assert len(pictures.load("photographs", 32, 2)) == 2
    for picture in loaded:
        assert pictures.check(picture.image, 32).std() > 0.1
        assert not picture.road.any()


def test_a_folder_of_pictures(tmp_path):
    rng = np.random.default_rng(0)
    shapes = {"a": (40, 30, 3), "b": (20, 50), "c": (24, 24, 4), "d": (24, 24, 2), "e": (16, 16, 3)}
    for name, shape in shapes.items():
        content = rng.integers(0, 256, shape, dtype=np.uint8)
        io.imsave(tmp_path / f"{name}.png", content, check_contrast=False)
    (tmp_path / "notes.txt").write_text("no picture")
    loaded = pictures.load(tmp_path, 16, 10)
    assert len(loaded) == len(shapes)
    assert len(pictures.load(str(tmp_path), 16, 2)) == 2
    for picture in loaded:
        pictures.check(picture.image, 16)
    # What has the size already stays as it is.
    np.testing.assert_allclose(loaded[4].image * 255, io.imread(tmp_path / "e.png"), atol=1e-3)
    assert (loaded[1].image[..., 0] == loaded[1].image[..., 2]).all()


def test_a_folder_without_pictures_or_with_bad_ones(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"images must be 'scenes'.*a folder that holds \.png"):
        pictures.load(tmp_path, 16, 10)
    (tmp_path / "broken.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"images must be files that can be read, got .*broken"):
        pictures.load(tmp_path, 16, 10)
    (tmp_path / "broken.png").unlink()
    io.imsave(tmp_path / "large.png", np.zeros((40, 40, 3), np.uint8), check_contrast=False)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 700)  # Pillow refuses twice as many
    with pytest.raises(ValueError, match=r"images must be files that can be read, got .*large"):
        pictures.load(tmp_path, 16, 10)
