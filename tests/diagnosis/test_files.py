"""Files of gradients: what good writers write is read, what is broken or hostile is refused."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.diagnose_logs import diagnose_log
from gradbook.diagnosis.measuring.sizes import measure
from gradbook.diagnosis.reading import files, log_rows
from gradbook.diagnosis.reading.files import is_log, open_tensors
from gradbook.diagnosis.reading.logs import Entry, open_log

RNG = np.random.default_rng(0)
GRADS = {
    "fc2.weight": RNG.standard_normal((4, 3)).astype(np.float32),
    "fc2.bias": RNG.standard_normal(4),
    "fc10.weight": RNG.standard_normal((2, 4)).astype(np.float16),
    "half": RNG.standard_normal((3, 5)).astype(ml_dtypes.bfloat16),
    "count": np.array(7),
}


def read(path: Path) -> dict[str, Any]:
    with open_tensors(path) as tensors:
        return {name: tensor and tensor.values() for name, tensor in tensors.items()}


def refusal(path: Path) -> str:
    """Return the one line that a bad file gets, after checking its form, time and memory."""
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(BadInput) as caught:
            list(open_log(path)) if is_log(path) else read(path)
        assert time.process_time() - start < 2
        assert tracemalloc.get_traced_memory()[1] < 500e6
    finally:
        tracemalloc.stop()
    said = str(caught.value)
    assert said.startswith(path.name)
    assert said.isprintable()
    return said


def same(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    return found.keys() == expected.keys() and all(
        np.array_equal(found[name], np.asarray(expected[name]).astype(float), equal_nan=True)
        for name in expected
    )


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_files_are_read_in_their_order(save: Callable[..., None], tmp_path: Path) -> None:
    grads = {**GRADS, "turned": np.asfortranarray(GRADS["fc2.weight"]), "big": np.ones(3, ">f4")}
    save(tmp_path / "grads.npz", **grads)
    found = read(tmp_path / "grads.npz")
    assert list(found) == list(grads)
    assert same(found, grads)


def test_safetensors_files_are_read_and_tell_their_order_if_they_know_it(tmp_path: Path) -> None:
    more = {name: GRADS["fc2.weight"].astype(getattr(ml_dtypes, name)) for name in FLOAT8}
    grads = {**GRADS, **more}
    path = tmp_path / "grads.safetensors"
    safetensors.numpy.save_file(grads, path)
    assert same(read(path), grads)
    with open_tensors(path) as tensors:
        assert not tensors.ordered
    safetensors.numpy.save_file(grads, path, metadata={"order": "\n".join(grads)})
    with open_tensors(path) as tensors:
        assert tensors.ordered
        assert list(tensors) == list(grads)
    safetensors.numpy.save_file(grads, path, metadata={"order": "half\nhalf"})
    with open_tensors(path) as tensors:
        assert not tensors.ordered


FLOAT8 = ("float8_e4m3fn", "float8_e5m2")


def test_only_one_tensor_lies_in_memory(tmp_path: Path) -> None:
    grads = {str(i): np.ones((500, 1000), np.float32) for i in range(8)}
    np.savez(tmp_path / "g.npz", **grads)
    safetensors.numpy.save_file(grads, tmp_path / "g.safetensors")
    for name in ("g.npz", "g.safetensors"):
        tracemalloc.start()
        with open_tensors(tmp_path / name) as tensors:
            found = list(measure(tensors))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(found) == 8
        assert peak < 2e6 + 5e6  # a tensor, and pieces and chunks of about a megabyte


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def header_of(text: str, data: bytes = b"", version: int = 1) -> bytes:
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text.encode("utf-8") + data


def fields(descr: str, shape: str, fortran: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


GOOD_HEADER = fields("'<f4'", "(2,)")

MEMBERS = {
    "pickled": (npy(np.array([{"a": 1}], dtype=object)), "must hold real numbers, got '|O'"),
    "pickle": (pickle.dumps(os.system), "is no array of NumPy"),
    "complex": (npy(np.ones(2, complex)), "must hold real numbers, got '<c16'"),
    "text": (npy(np.array(["a"])), "must hold real numbers, got '<U1'"),
    "odd width": (header_of(fields("'<V9'", "(1,)"), b"123456789"), "must hold real numbers"),
    "no such float": (header_of(fields("'<f3'", "(1,)"), b"123"), "data type"),
    "fields": (npy(np.zeros(2, "f4,f4")), "must hold real numbers, got [('f0'"),
    "empty": (npy(np.zeros((0, 3))), "must not be empty"),
    "nothing": (b"", "is no array of NumPy"),
    "version": (b"\x93NUMPY\x09\x00" + bytes(90), "is no array of NumPy"),
    "cut header": (header_of(GOOD_HEADER)[:-30], "ends within its header"),
    "long header": (header_of(GOOD_HEADER, version=2)[:8] + b"\xff\xff\xff\x7f", "a header of"),
    "no dict": (header_of("[1, 2]"), "other fields"),
    "other fields": (header_of("{'descr': '<f4'}"), "other fields"),
    "nested": (header_of("(" * 5000), ""),
    "deep": (header_of("-" * 5000 + "1"), ""),
    "code": (header_of("__import__('os').system('false')"), ""),
    "warning": (header_of(r"{'descr': '\d', 'fortran_order': 0 is 0, 'shape': ()}"), ""),
    "negative": (header_of(fields("'<f4'", "(-1,)")), "has the shape (-1,)"),
    "boolean": (header_of(fields("'<f4'", "(True,)")), "has the shape (True,)"),
    "axes": (header_of(fields("'<f4'", f"{(1,) * 65}")), "has the shape"),
    "order": (header_of(fields("'<f4'", "(2,)", "'x'")), "the order 'x'"),
    "promise": (header_of(fields("'<f4'", "(10**12,)".replace("10**12", "1" + "0" * 12))), "holds"),
    "overflow": (header_of(fields("'<f8'", f"({2**62}, {2**62})")), "promises"),
    "too short": (header_of(GOOD_HEADER, b"1234567"), "promises"),
    "too long": (header_of(GOOD_HEADER, b"123456789"), "promises"),
}


@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_bad_members_are_refused(name: str, method: int, tmp_path: Path) -> None:
    data, said = MEMBERS[name]
    path = tmp_path / "grads.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("fc.weight.npy", data)
    assert said in refusal(path)


def test_headers_of_every_version_are_read(tmp_path: Path) -> None:
    data = np.array([1.0, 2.0], np.float32).tobytes()
    with zipfile.ZipFile(tmp_path / "g.npz", "w") as archive:
        for version in (1, 2, 3):
            archive.writestr(f"{version}.npy", header_of(GOOD_HEADER, data, version))
    assert [values.tolist() for values in read(tmp_path / "g.npz").values()] == [[1.0, 2.0]] * 3


def bomb(path: Path) -> None:
    """Promise 800 MB of zeros in a small file."""
    count = 3 * 2**28
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("w.npy", "w", force_zip64=True) as stream,
    ):
        stream.write(header_of(fields("'<f4'", f"({3 * 2**26},)")) + bytes(2**20))
    raw = bytearray(path.read_bytes())
    # The sizes of the central directory's entry are what a reader believes.
    at = raw.rfind(b"PK\x01\x02")
    raw[at + 24 : at + 28] = struct.pack("<I", count)
    path.write_bytes(bytes(raw))


def overlapping(path: Path) -> None:
    """Name the same bytes a thousand times, as the densest of zip bombs do."""
    body = npy(np.zeros(10_000))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", body)
        first = archive.infolist()[0]
        for i in range(1000):
            copy = zipfile.ZipInfo(f"{i:05}.npy")
            copy.file_size = copy.compress_size = first.file_size
            copy.CRC, copy.header_offset = first.CRC, 0
            archive.filelist.append(copy)
        archive._didModify = True


def directory(path: Path) -> None:
    """Promise a table of contents that is longer than any honest one, in a sparse file."""
    size = 200 * 2**20
    with path.open("wb") as file:
        file.truncate(size)
        file.seek(size)
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, size, 0, 0))


def encrypted(path: Path) -> None:
    np.savez(path, w=np.ones(3))
    raw = bytearray(path.read_bytes())
    raw[raw.rfind(b"PK\x01\x02") + 8] |= 1
    raw[6] |= 1
    path.write_bytes(bytes(raw))


def flipped(path: Path) -> None:
    np.savez(path, w=np.ones(300))
    raw = bytearray(path.read_bytes())
    raw[raw.find(b"PK\x01\x02") - 9] ^= 16
    path.write_bytes(bytes(raw))


def with_member(name: str, method: int = zipfile.ZIP_STORED) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr(name, npy(np.ones(3)))

    return write


def twice(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w.npy", npy(np.ones(3)))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("w.npy", npy(np.ones(3)))


def lying(path: Path) -> None:
    np.savez(path, w=np.ones(3))
    raw = bytearray(path.read_bytes())
    at = raw.rfind(b"PK\x01\x02")
    raw[at + 24 : at + 28] = struct.pack("<I", 2**31)
    path.write_bytes(bytes(raw))


def short(path: Path) -> None:
    """Promise more numbers than the compressed bytes unpack to."""
    data = header_of(GOOD_HEADER, bytes(4))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w.npy", data)
    raw = bytearray(path.read_bytes())
    at = raw.rfind(b"PK\x01\x02")
    raw[at + 24 : at + 28] = struct.pack("<I", len(data) + 4)
    path.write_bytes(bytes(raw))


ARCHIVES: list[tuple[Callable[[Path], Any], str]] = [
    (bomb, "would unpack to"),
    (overlapping, "its members promise"),
    (directory, "table of contents"),
    (encrypted, "encrypted"),
    (flipped, "CRC"),
    (lying, "promises"),
    (short, "ends before its numbers do"),
    (with_member("w.npy", zipfile.ZIP_BZIP2), "compressed in a way"),
    (with_member("w.txt"), "is no array of NumPy"),
    (twice, "holds 'w' twice"),
    (np.savez, "holds no arrays"),
    (lambda path: path.write_bytes(b""), "not a zip file"),
    (lambda path: path.write_bytes(pickle.dumps({"w": 1})), "not a zip file"),
    (lambda path: path.mkdir(), "no regular file"),
    (os.mkfifo, "no regular file"),
    (lambda path: None, "no such file"),
]


@pytest.mark.parametrize(("write", "said"), ARCHIVES)
def test_bad_archives_are_refused(write: Callable[[Path], Any], said: str, tmp_path: Path) -> None:
    write(tmp_path / "grads.npz")
    assert said in refusal(tmp_path / "grads.npz")


def test_gradients_that_are_all_zero_may_be_compressed(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "g.npz", w=np.zeros(10**6))
    assert not read(tmp_path / "g.npz")["w"].any()


def tensors_file(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


EIGHT = bytes(8)
HEADERS = [
    (b"", "must begin with 8 bytes"),
    (b"1234567", "must begin with 8 bytes"),
    (tensors_file({}, length=2**63), "promises a header of 9223372036854775808 bytes"),
    (tensors_file(b" " * (4 * 2**20 + 1)), "has a header of 4194305 bytes"),
    (tensors_file({}), "holds no tensors"),
    (tensors_file(b"[]"), "no JSON object"),
    (tensors_file(b"{"), "Expecting"),
    (tensors_file(b"\xff\xfe"), "utf-8"),
    (tensors_file(b"[" * 100_000), ""),
    (tensors_file(b'{"w": ' * 100_000), ""),
    (tensors_file(b'{"w": ' + b"9" * 5000 + b"}"), ""),
    (tensors_file(b'{"w": 1, "w": 2}'), "'w' twice"),
    (tensors_file(b'{"w": [' + b"[]," * 400_000 + b"1]}"), "must have dtype"),
    (tensors_file({"w": 3}), "must have dtype, shape and data_offsets"),
    (tensors_file({"w": {"dtype": "F32"}}), "must have dtype, shape and data_offsets"),
    (tensors_file({"w": entry("F31")}, EIGHT), "must hold real numbers, got dtype 'F31'"),
    (tensors_file({"w": entry("")}, EIGHT), "must hold real numbers, got dtype ''"),
    (tensors_file({"w": entry("BOOL", [8])}, EIGHT), "must hold real numbers, got dtype 'BOOL'"),
    (tensors_file({"w": entry(["F32"])}, EIGHT), "must hold real numbers"),
    (tensors_file({"w": entry(shape="2")}, EIGHT), "has the shape '2'"),
    (tensors_file({"w": entry(shape=[-2])}, EIGHT), "has the shape [-2]"),
    (tensors_file({"w": entry(shape=[2.0])}, EIGHT), "has the shape [2.0]"),
    (tensors_file({"w": entry(shape=[True, 2])}, EIGHT), "has the shape [True, 2]"),
    (tensors_file({"w": entry(shape=[1] * 65)}, EIGHT), "has the shape"),
    (tensors_file({"w": entry(shape=[3])}, EIGHT), "promises 12 bytes, its offsets 8"),
    (tensors_file({"w": entry(shape=[2**62, 2**62])}, EIGHT), "promises"),
    (tensors_file({"w": entry(offsets=[8, 0])}, EIGHT), "has the offsets [8, 0]"),
    (tensors_file({"w": entry(offsets=[0])}, EIGHT), "has the offsets [0]"),
    (tensors_file({"w": entry(offsets=[0, 8, 8])}, EIGHT), "has the offsets"),
    (tensors_file({"w": entry()}, EIGHT[:-1]), "promises 8 bytes of numbers, the file holds 7"),
    (tensors_file({"w": entry()}, EIGHT * 2), "promises 8 bytes of numbers, the file holds 16"),
    (tensors_file({"w": entry(), "v": entry()}, EIGHT), "begins at byte 0, expected 8"),
    (tensors_file({"w": entry(), "v": entry(offsets=[9, 17])}, EIGHT * 3), "begins at byte 9"),
    (tensors_file({"w": entry(shape=[10**12], offsets=[0, 4 * 10**12])}, EIGHT), "promises"),
    (tensors_file({"w": entry(shape=[0], offsets=[0, 0])}), "must not be empty"),
    (pickle.dumps({"w": 1}), "promises a header"),
]


@pytest.mark.parametrize(("data", "said"), HEADERS)
def test_bad_safetensors_files_are_refused(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "grads.safetensors"
    path.write_bytes(data)
    assert said in refusal(path)


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "grads.safetensors"
    safetensors.numpy.save_file(GRADS, path)
    with open_tensors(path) as tensors:
        os.truncate(path, 8)
        with pytest.raises(BadInput, match="has become shorter"):
            list(tensors.values())


LOGS = {
    "long.csv": "step,name,norm\n0,a,0.5\n0,b,nan\n1,a,Infinity\n1,b,1e-30\n",
    "columns.csv": "norm, name ,step\r\n0.5,a,0\r\nNaN, b,0\r\n\r\ninf,a,1\r\n1e-30,b,1",
    "wide.csv": '\ufeffstep,a,"b"\n0,0.5,nan\n1,inf,1e-30\n',
    "long.jsonl": '{"step":0,"name":"a","norm":0.5}\n{"norm":NaN,"name":"b","step":0}\n\n'
    '{"step":1,"name":"a","norm":Infinity}\n{"step":1,"name":"b","norm":1e-30}',
    "by layer.csv": "epoch,layer,grad_norm\n0,a,0.5\n0,b,nan\n1,a,inf\n1,b,1e-30\n",
    "by parameter.csv": "Step,Parameter,Norm\n0,a,0.5\n0,b,nan\n1,a,inf\n1,b,1e-30\n",
    "wide.tsv": "# run 7\nstep\ta\tb\n0\t0.5\tnan\n1\tinf\t1e-30\n",
    "wide.jsonl": '{"step":0,"a":0.5,"b":"nan"}\n{"step":1,"a":"inf","b":1e-30}\n',
    "list.json": '[{"step":0,"a":0.5,"b":"nan"},{"eval_loss":1.5,"step":0},'
    '{"step":1,"a":"inf","b":1e-30}]',
    "lightning.csv": "epoch,grad_2.0_norm/a,grad_2.0_norm/b,step,train_loss,val_loss\n"
    "0,0.5,nan,0,2.3,\n0,inf,1e-30,1,,\n0,,,1,,1.4\n",
    "wandb.csv": ",_step,_runtime,loss,gradients/a,gradients/b\n0,0,1.5,2.3,0.5,nan\n"
    "1,1,2.5,,inf,1e-30\n",
    "chart.csv": '"Step","run-1 - grad_norm/a","run-1 - grad_norm/a__MIN","run-1 - grad_norm/b"\n'
    '"0","0.5","0.4","nan"\n"1","inf","0.1","1e-30"\n',
}


@pytest.mark.parametrize("name", LOGS)
def test_logs_of_every_shape_say_the_same(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(LOGS[name], encoding="utf-8")
    found = list(open_log(tmp_path / name))
    assert [(e.step, e.name) for e in found] == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]
    np.testing.assert_array_equal([e.norm for e in found], [0.5, np.nan, np.inf, 1e-30])


def test_the_norm_of_all_gradients_is_no_layer(tmp_path: Path) -> None:
    history = [
        {"step": i, "loss": 2.0, "grad_norm": 10.0**i, "learning_rate": 1e-4} for i in (0, 1)
    ]
    texts = {
        "trainer_state.json": json.dumps(
            {"log_history": [*history, {"step": 1, "eval_loss": 1.0}]}
        ),
        "log.jsonl": "".join(json.dumps(row) + "\n" for row in history),
        "tag.csv": "Wall time,Step,Value\n1.7e9,0,1\n1.7e9,1,10\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        log = open_log(tmp_path / name)
        assert list(log) == [Entry(0.0, "", 1.0), Entry(1.0, "", 10.0)]
        assert "loss" in log.beside or name == "tag.csv"


def test_a_histogram_has_the_norm_of_what_was_counted(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).standard_normal(10_000)
    counts, bins = np.histogram(numbers, 64)
    packed = {"min": bins[0], "size": bins[1] - bins[0], "count": 64}
    for edges in ({"bins": bins.tolist()}, {"packedBins": packed}):
        cell = {"_type": "histogram", "values": counts.tolist(), **edges}
        (tmp_path / "x.jsonl").write_text(json.dumps({"_step": 0, "gradients/fc": cell}) + "\n")
        [entry] = open_log(tmp_path / "x.jsonl")
        assert entry.name == "fc"
        assert entry.norm == pytest.approx(np.linalg.norm(numbers), rel=0.01)


def test_a_run_that_was_resumed_is_read_and_said(tmp_path: Path) -> None:
    rows = [f"{step},0.1,1.0,1.0,2.0" for step in (0, 1, 2, 1, 2, 3)]
    (tmp_path / "x.csv").write_text("\n".join(["step,fc1,fc2,fc3,out", *rows, ""]))
    report = diagnose_log(open_log(tmp_path / "x.csv"))
    assert any("resumed" in note for note in report.notes)


def test_a_run_that_was_resumed_at_its_last_step_is_read(tmp_path: Path) -> None:
    wide = ["step,fc1,fc2", *(f"{step},1,2" for step in (99, 100, 100, 101, 200, 200, 201))]
    long = [f"{step},{name},1" for step in (99, 100, 100, 101) for name in ("fc1", "fc2")]
    for lines, count in ((wide, 14), (["step,name,norm", *long], 8)):
        (tmp_path / "x.csv").write_text("\n".join([*lines, ""]))
        assert len(list(open_log(tmp_path / "x.csv"))) == count


def test_the_name_of_a_run_is_no_layers(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("name,_step,gradients/fc1,gradients/fc2\nrun,0,1,2\n")
    log = open_log(tmp_path / "x.csv")
    assert list(log) == [Entry(0.0, "fc1", 1.0), Entry(0.0, "fc2", 2.0)]
    assert list(log.beside) == ["name"]


@pytest.mark.parametrize("ending", log_rows.READERS)
def test_what_windows_writes_before_a_text_is_left_out(tmp_path: Path, ending: str) -> None:
    texts = {".tsv": "step\ta\n0\t1\n", ".csv": "step,a\n0,1\n"}
    texts |= {".jsonl": '{"step":0,"a":1}', ".json": '[{"step":0,"a":1}]'}
    (tmp_path / f"x{ending}").write_text(texts[ending], encoding="utf-8-sig")
    assert list(open_log(tmp_path / f"x{ending}")) == [Entry(0.0, "a", 1.0)]


BAD_LOGS = [
    ("x.csv", "", "holds no norms"),
    ("x.csv", "step,a\n", "holds no norms"),
    ("x.csv", "a,b\n1,2\n", "line 2: must have a column 'step', got 'a', 'b'"),
    ("x.csv", "step a\n1 2\n", "line 2: must have a column 'step', got 'step a'"),
    ("x.csv", "step\n1\n", "holds no norms: log that of each layer's gradient, in a column each"),
    ("x.csv", "step,loss\n1,2\n", "holds no norms, only 'loss': log that of each layer's gradient"),
    ("x.csv", "step,a,a\n", "line 1: must name everything once, got 'a' twice"),
    ("x.csv", "step,a,\n", "line 1: must name every column"),
    ("x.csv", "step,a\n0,1\n1\n", "line 3: must have 2 cells, got 1"),
    ("x.csv", "step,a\n0,1,2\n", "line 2: must have 2 cells, got 3"),
    ("x.csv", "step,a\n0,\n", "holds no norms"),
    ("x.csv", "step,a\n,1\n", "line 2: 'step' must be a number, got nothing"),
    ("x.csv", "step,a\n0,one\n", "line 2: 'a' must be a number, got 'one'"),
    ("x.csv", "step,a\n0,1_0\n", "line 2: 'a' must be a number, got '1_0'"),
    ("x.csv", "step,a\n0,-1\n", "line 2: 'a' must be a norm, got '-1'"),
    ("x.csv", "step,a\nnan,1\n", "line 2: 'step' must be finite, got 'nan'"),
    ("x.csv", "step,a\n1,1\n1,1\n1,1\n", "line 4: step 1 has 'a' twice"),
    ("x.csv", "step,a\n1,1\n1,1\n2,1\n2,1\n", "line 5: step 2 has 'a' twice"),
    ("x.csv", "epoch,layer,norm\n1,a,1\n1,b,1\n1,b,1\n", "line 4: step 1 has 'b' twice"),
    ("x.csv", "epoch,layer,mean_grad\n0,1,1\n0,2,1\n", "line 3: step 0 has 'layer' twice: where"),
    ("x.csv", "step,name,norm\n1,a,1\n1,b,1\n1,b,1\n", "line 4: step 1 has 'b' twice"),
    ("x.csv", "step,name,norm\n1,,1\n", "line 2: 'name' must name a layer"),
    ("x.csv", "step,name,norm,loss\n1,a,1,2\n", "line 2: must have the columns step, name, norm"),
    ("x.csv", 'step,a\n1,"2\n', "line 2: unexpected end of data"),
    ("x.csv", 'step,a\n1,"2"3\n', "line 2: "),
    ("x.csv", "step," + "a" * 200_000, "line 1: field larger than field limit"),
    ("x.csv", "step,a\n" + "1" * (4 * 2**20 + 1), "line 2: has more than 4194304 bytes"),
    ("x.csv", b"step,a\n0,1\n0,\xff\n", "line 3: 'utf-8'"),
    ("x.csv", "step,\x1b[2J\n0,x\n", "line 2: '\\x1b[2J' must be a number"),
    ("x.csv", bytes(1000), "holds no norms"),
    ("x.jsonl", "", "holds no norms"),
    ("x.jsonl", "[1]\n", "line 1: must be a JSON object, got '[1]'"),
    ("x.jsonl", '{"step":0,"a":1}\n{"step"\n', "line 2: Expecting"),
    ("x.jsonl", '{"a":1}\n', "line 1: must have a column 'step'"),
    ("x.jsonl", '{"step":0,"a":1,"a":2}\n', "line 1: must name everything once"),
    ("x.jsonl", '{"step":0,"a":null}\n', "holds no norms"),
    (
        "x.jsonl",
        '{"step":0,"a":{"bins":[1],"values":[]}, "b":{}}\n',
        "line 1: 'b' must be a number",
    ),
    ("x.jsonl", '{"step":0,"a":true}\n', "line 1: 'a' must be a number, got True"),
    ("x.jsonl", '{"step":0,"a":[1]}\n', "line 1: 'a' must be a number, got [1]"),
    ("x.jsonl", '{"step":0,"a":1' + "0" * 400 + "}\n", "line 1: 'a' must be a number"),
    ("x.jsonl", '{"step":0,"name":[3],"norm":1}\n', "line 1: 'name' must name a layer, got [3]"),
    ("x.jsonl", '{"step":0,"name":"a"}\n', "line 1: must have the columns"),
    ("x.jsonl", "[" * 100_000, "line 1: "),
    ("x.json", "[" * 100_000, ""),
    ("x.json", "{}", "must be a list of objects"),
    ("x.json", '[{"step":0}', "Expecting"),
    ("x.json", " " * (16 * 2**20 + 1), "has more than 16777216 bytes"),
]


@pytest.mark.parametrize(("name", "text", "said"), BAD_LOGS)
def test_bad_logs_are_refused_by_line(
    name: str, text: str | bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert f"{name}: {said}" in refusal(path)


def test_a_log_is_read_as_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("step,a\n0,1\n1,broken\n")
    entries = open_log(tmp_path / "x.csv")
    assert next(entries) == Entry(0.0, "a", 1.0)
    with pytest.raises(BadInput, match="line 3"):
        next(entries)


def test_other_endings_are_refused(tmp_path: Path) -> None:
    for name in ("model.pt", "grads", "x.csv.gz"):
        with pytest.raises(BadInput, match="must end in"):
            is_log(name)
    with pytest.raises(BadInput, match=r"must end in \.npz or \.safetensors"):
        read(tmp_path / "x.csv")
    with pytest.raises(BadInput, match=r"must end in \.csv or \.jsonl"):
        list(open_log(tmp_path / "x.npz"))
    assert "no such file" in refusal(tmp_path / "none.csv")
    assert is_log("NORMS.CSV")


def broken(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip, drop, repeat or cut off bytes."""
    raw = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(raw)))
        choice = int(rng.integers(4))
        if choice == 0:
            raw[at] ^= 1 << int(rng.integers(8))
        elif choice == 1:
            raw[at] = int(rng.integers(256))
        elif choice == 2:
            del raw[at : at + int(rng.integers(1, 9))]
        else:
            del raw[at + 1 :]
    return bytes(raw)


def write_good(folder: Path) -> list[Path]:
    np.savez(folder / "stored.npz", **GRADS)
    np.savez_compressed(folder / "deflated.npz", **GRADS)
    safetensors.numpy.save_file(GRADS, folder / "good.safetensors")
    for name, text in LOGS.items():
        (folder / name).write_text(text, encoding="utf-8")
    return sorted(folder.iterdir())


def test_broken_files_are_refused_or_read_but_never_raise_anything_else(tmp_path: Path) -> None:
    good = write_good(tmp_path)
    rng = np.random.default_rng(2026)
    refused = dict.fromkeys((path.suffix for path in good), 0)
    for path in good:
        data = path.read_bytes()
        target = tmp_path / f"broken{path.suffix}"
        for _ in range(150):
            target.write_bytes(broken(data, rng))
            start = time.process_time()
            try:
                found = list(open_log(target)) if is_log(target) else read(target)
                if path.suffix == ".npz":  # whose numbers have checksums; names may have changed
                    values = [GRADS[name].astype(float) for name in GRADS]
                    assert all(any(_equal(v, w) for w in values) for v in found.values())
                said = ""
            except BadInput as error:
                said = str(error)
            assert time.process_time() - start < 2
            assert said.isprintable()
            assert not said or said.startswith(target.name)
            refused[path.suffix] += bool(said)
    assert min(refused.values()) > 50


def _equal(found: Any, expected: Any) -> bool:
    return np.array_equal(found, expected)


def test_reading_runs_no_strangers_code_and_needs_no_other_library(tmp_path: Path) -> None:
    write_good(tmp_path)
    code = (
        "import sys; from pathlib import Path; from gradbook.diagnosis import *\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    if is_log(path): list(open_log(path))\n"
        "    else:\n"
        "        with open_tensors(path) as tensors: list(measure(tensors))\n"
        "print({name.partition('.')[0] for name in sys.modules} & "
        "{'safetensors', 'ml_dtypes', 'torch', 'jax', 'matplotlib', 'pickle5'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_every_reader_has_a_good_file_above() -> None:
    endings = {Path(name).suffix for name in LOGS} | {".npz", ".safetensors"}
    assert endings == {*files.READERS, *log_rows.READERS}
    assert files.NPZ_HEADER < files.SAFETENSORS_HEADER


def test_an_event_file_needs_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "events.out.tfevents.1.here"
    monkeypatch.setitem(sys.modules, "tensorboard.backend.event_processing", None)
    assert is_log(name)
    assert "no such file" in refusal(tmp_path / name)
    (tmp_path / name).write_bytes(b"")
    assert "pip install 'gradbook[tensorboard]'" in refusal(tmp_path / name)
