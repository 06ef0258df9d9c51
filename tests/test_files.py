"""Files appear whole or not at all, and one line says what is wrong with their content."""

import re
import threading

import numpy as np
import pytest

from aigc_market import replay
from aigc_market._files import (
    parse_json,
    read_arrays,
    read_json,
    read_table,
    read_text,
    write_atomically,
)
from aigc_market.ssim import TabulatedSSIM


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


# -- reading ---------------------------------------------------------------------------------------

DEEP = "[" * 100_000
"""JSON that no parser reads without running out of stack."""


def refused(read, path, complaint):
    """One line that begins with the path."""
    with pytest.raises(ValueError, match=complaint) as error:
        read(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (read_text, "a file of text"),
        (read_json, "a file of JSON"),
        (read_table, "a CSV table"),
        (TabulatedSSIM.from_csv, "a CSV table with columns 'steps' and 'ssim'"),
        (read_arrays, "arrays of NumPy"),
        (replay.read, "rounds kept by `aigc-market play --record` or"),
    ],
)
def test_where_no_file_is_it_says_what_was_expected(tmp_path, read, expected):
    path = tmp_path / "nowhere"
    with pytest.raises(FileNotFoundError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: must be {expected}")
    assert str(error.value).endswith("(No such file or directory)")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_text_is_read_as_it_is(tmp_path, encoding):
    path = tmp_path / "file"
    path.write_bytes("Größe\r\n1\n".encode(encoding))
    assert read_text(path) == "Größe\r\n1\n"
    assert read_table(path) == (["Größe"], [(2, {"Größe": "1"})])


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
@pytest.mark.parametrize("read", [read_text, read_json, read_table])
def test_another_encoding_is_said(tmp_path, encoding, read):
    path = tmp_path / "file"
    path.write_bytes('{"Größe": 1}'.encode(encoding))
    refused(read, path, r"must be text in UTF-8 \(.*can't decode byte 0x.. in position \d+")


@pytest.mark.parametrize(
    ("text", "kind", "complaint"),
    [
        ("", dict, r"must be a JSON object \(Expecting value.*\), got ''"),
        ("{'a': 1}", dict, r"must be a JSON object \(Expecting property name"),
        ("[1, 2]", dict, r"must be a JSON object, got '\[1, 2\]'"),
        ('{"a": 1}', list, r"must be a JSON array, got '\{\"a\": 1\}'"),
        (DEEP, list, r"must be a JSON array \(maximum recursion depth.*\), got '\[{80}'$"),
        ('{"a": ' * 100_000, dict, r"must be a JSON object \(maximum recursion depth"),
        ("1" * 5000, dict, r"must be a JSON object \(Exceeds the limit"),
    ],
    ids=["empty", "quotes", "array", "object", "deep", "deep object", "digits"],
)
def test_broken_json_is_said(tmp_path, text, kind, complaint):
    path = tmp_path / "file.json"
    path.write_text(text)
    refused(lambda path: read_json(path, kind), path, complaint)
    with pytest.raises(ValueError, match=rf"^file, line 3: {complaint}"):
        parse_json("file, line 3", text, kind)


def test_a_cell_and_a_row_that_are_too_long_are_said(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text(f"a,b\n1,2\n3,{'4' * 140_000}\n")
    refused(read_table, path, r"line 3: must be a row of a CSV table \(field larger than")
    path.write_text("a,b\n1\n3,4,5\n")
    refused(read_table, path, r"line 3: must have no more cells than the header, 2, got \['5'\]")
    path.write_text("a,b\n1\n3,4,\n")
    columns, rows = read_table(path)
    assert columns == ["a", "b"]
    assert [(line, row["a"], row["b"]) for line, row in rows] == [(2, "1", None), (3, "3", "4")]


def test_arrays_are_read_and_nothing_is_unpickled(tmp_path):
    one, several = tmp_path / "one.npy", tmp_path / "several.npz"
    np.save(one, np.arange(3))
    np.savez_compressed(several, a=np.arange(3), b=1.5)
    np.testing.assert_array_equal(read_arrays(one), [0, 1, 2])
    assert {name: value.tolist() for name, value in read_arrays(several).items()} == {
        "a": [0, 1, 2],
        "b": 1.5,
    }
    pickled = np.array([re.compile("x")], dtype=object)
    for path, save in ((one, np.save), (several, np.savez)):
        whole = path.read_bytes()
        for content in (whole[:-30], whole[:20], b"", b"hello", b"PK\x03\x04hello"):
            path.write_bytes(content)
            refused(read_arrays, path, "must be arrays that NumPy has written")
        save(path, pickled, allow_pickle=True)
        refused(read_arrays, path, r"written \(Object arrays cannot be loaded when allow_pickle=F")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_arrays(tmp_path / "nowhere.npy")
