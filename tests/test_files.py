"""Files appear whole or not at all."""

import threading

import numpy as np
import pytest

from aigc_market._files import write_atomically


@pytest.mark.parametrize(
    "content", ["Größe\n", "Größe\n".encode(), lambda file: file.write("Größe\n".encode())]
)
def test_what_is_given_is_written(tmp_path, content):
    path = tmp_path / "file"
    path.write_text("before")
    write_atomically(path, content)
    assert path.read_bytes() == "Größe\n".encode()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("stop", [OSError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there(tmp_path, stop):
    path = tmp_path / "file"
    path.write_text("before")

    def fail(file):
        file.write(b"half")
        raise stop("the disk is full")

    with pytest.raises(stop):
        write_atomically(path, fail)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_writers_at_once_do_not_meet(tmp_path):
    """Each is stopped halfway until all the others are there too."""
    path, writers = tmp_path / "file.npy", 4
    everybody = threading.Barrier(writers)

    def write(number):
        def fill(file):
            everybody.wait(timeout=60)
            np.save(file, np.full(1000, number))
            everybody.wait(timeout=60)

        write_atomically(path, fill)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    content = np.load(path)
    assert content.shape == (1000,)
    assert len(set(content)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_atomically(tmp_path / "nowhere" / "file", "text")
