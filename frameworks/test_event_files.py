"""What TensorBoard logs, as PyTorch writes it and as TensorFlow's kind of scalars looks."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_tensor_proto
from torch.utils.tensorboard import SummaryWriter

from gradbook.cli import main
from gradbook.diagnosis import Verdict, diagnose_log
from gradbook.diagnosis.bad_input import BadInput
from gradbook.diagnosis.reading.logs import open_log

SIZES = {"fc1": 0.0025, "fc2": 0.05, "fc3": 1.0, "out": 3.0}


def only_file(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def test_a_log_of_pytorch_is_read_as_its_csv_is(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        for step in range(3):
            for name, size in SIZES.items():
                writer.add_scalar(f"grad_norm/{name}", (step + 1) * size, step)
            writer.add_scalar("loss", 1.0, step)
            writer.add_text("note", "a text", step)
    report = diagnose_log(open_log(only_file(tmp_path)))
    assert report.verdict is Verdict.VANISHING
    assert report.since is not None
    assert "fc2" in report.since
    assert main(["diagnose", str(only_file(tmp_path))]) == 1


def test_a_scalar_that_is_stored_as_a_tensor_is_one(tmp_path: Path) -> None:
    writer = EventFileWriter(str(tmp_path))
    for name, size in SIZES.items():
        value = Summary.Value(tag=name, tensor=make_tensor_proto(size))
        writer.add_event(Event(step=1, summary=Summary(value=[value])))
    writer.close()
    entries = list(open_log(only_file(tmp_path)))
    assert {entry.name: entry.norm for entry in entries} == pytest.approx(SIZES)


@pytest.mark.parametrize("cut", [5, 40])
def test_a_damaged_file_is_told_in_one_line(tmp_path: Path, cut: int) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("grad_norm/fc1", 1.0, 0)
    path = only_file(tmp_path)
    data = bytearray(path.read_bytes())
    data[cut:] = b"\xff" * (len(data) - cut)
    path.write_bytes(data)
    with pytest.raises(BadInput) as told:
        list(open_log(path))
    assert "\n" not in str(told.value)
    assert main(["diagnose", str(path)]) == 2
