"""Events read from a web server on this machine: the standard library's, with ranges and without."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.processors import Chunk, LhcoSource

from .event_files import FORMATS, columns, run

pytestmark = pytest.mark.facilities


class WholeFiles(SimpleHTTPRequestHandler):
    """The standard library's handler, which ignores the header ``Range``."""

    def log_message(self, *args: Any) -> None:
        pass

    def copyfile(self, source: Any, outputfile: Any) -> None:
        try:
            super().copyfile(source, outputfile)
        except ConnectionError:  # the client has seen enough
            self.close_connection = True


class PartsOfFiles(WholeFiles):
    """Answers ``Range: bytes=a-b``, as the servers do that event files lie on (RFC 9110)."""

    def send_head(self) -> Any:
        path = Path(self.translate_path(self.path))
        if "Range" not in self.headers or not path.is_file():
            return super().send_head()
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        content, size = path.read_bytes(), path.stat().st_size
        start = int(first) if first else size - int(last)
        stop = min(int(last) + 1, size) if first and last else size
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        return BytesIO(content[start:stop])


def serve(folder: Path, handler: type[WholeFiles]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("www")
    for kind, (_, write) in FORMATS.items():
        write(folder / f"events.{kind}", seed=7)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    yield from serve(folder, PartsOfFiles)


@pytest.fixture(scope="module")
def plain_server(folder: Path) -> Iterator[str]:
    yield from serve(folder, WholeFiles)


@pytest.fixture(params=sorted(FORMATS))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def expected(folder: Path, tmp_path: Path, kind: str) -> list[bytes]:
    run(f"{folder}/events.{kind}", f"{tmp_path}/local", kind)
    return columns(tmp_path / "local")


def test_events_are_read_from_a_web_server(server, kind, tmp_path, expected) -> None:
    first = run(f"{server}/events.{kind}", f"{tmp_path}/out", kind)
    assert columns(tmp_path / "out") == expected
    assert (first.events_read, first.reused, first.bad_files) == (60, 0, {})
    assert run(f"{server}/events.{kind}", f"{tmp_path}/out", kind).reused == 3


def test_a_url_may_have_a_query(server, kind, tmp_path, expected) -> None:
    report = run(f"{server}/events.{kind}?token=a/b.c*[1]&x={{1,2}}", f"{tmp_path}/out", kind)
    assert columns(tmp_path / "out") == expected
    assert all(name.startswith("events-0000") for name in report.partitions)


def test_a_file_is_copied_first_where_asked(plain_server, kind, tmp_path, expected) -> None:
    run(f"simplecache::{plain_server}/events.{kind}", f"{tmp_path}/out", kind)
    assert columns(tmp_path / "out") == expected


def test_a_missing_file_is_one_sentence(server, kind, tmp_path) -> None:
    with pytest.raises(InputError) as caught:
        run(f"{server}/nowhere.x", str(tmp_path), kind)
    assert str(caught.value).startswith(f"{server}/nowhere.x: no such file")


def test_a_server_that_is_not_there_is_one_sentence(kind, tmp_path) -> None:
    with pytest.raises(InputError, match=r"a\.x: its server does not answer") as caught:
        run("http://127.0.0.1:9/a.x", str(tmp_path), kind)
    assert "\n" not in str(caught.value)


def test_a_server_of_whole_files_is_named_as_the_reason(plain_server, tmp_path) -> None:
    with pytest.raises(InputError, match=r"events\.root: its server gives whole files only"):
        run(f"{plain_server}/events.root", str(tmp_path), "root")


def test_a_large_table_of_a_server_of_whole_files_gives_no_wrong_events(
    plain_server, folder
) -> None:
    rng = np.random.default_rng(3)
    with h5py.File(folder / "large.h5", "w") as file:  # more than fsspec reads at once
        file.create_dataset("df/block0_values", data=rng.random((4000, 300)))
    source, url = LhcoSource(), f"{plain_server}/large.h5"
    with pytest.raises(InputError, match=r"large\.h5: "):
        source.read(Chunk(url, 3000, 4000))


def test_nothing_is_written_to_a_web_server(server, folder, tmp_path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        run(f"{folder}/events.hdf5", f"{server}/out", "hdf5")
