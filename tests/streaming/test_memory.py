import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from fiducial.streaming import memory
from fiducial.streaming.memory import (
    PeakMemory,
    budget_of,
    check_disk,
    parse_memory,
    resident,
    scratch_folder,
    stopped_like_interrupted,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *(("2GB", 2 * 10**9), ("2 gb", 2 * 10**9), ("1.5GiB", 3 << 29), ("500MB", 5 * 10**8), ("3k", 3000)),
        *((" 1 TB ", 10**12), ("123", 123), (123, 123), ("7b", 7), ("0.5MiB", 1 << 19)),
    ],
)
def test_sizes_are_read(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "GB", "two GB", "-1GB", "2XB", "2 i", "1e9", "0GB", "2GB please", "nan"])
def test_other_text_is_refused(text):
    with pytest.raises(ValueError, match="memory must"):
        parse_memory(text)


def test_peak_memory_sees_what_was_given_back():
    held = resident()["anonymous"]
    with PeakMemory(0.005) as peak:
        block = np.ones(30_000_000)  # 240 MB
        time.sleep(0.05)
        del block
    assert 150_000_000 < peak.anonymous - held < 400_000_000
    assert peak.all >= peak.anonymous


def test_where_the_system_says_little_the_highest_ever_stands_in(monkeypatch):
    monkeypatch.setattr(memory.Path, "exists", lambda self: False)
    found = resident()
    assert found["anonymous"] == found["all"]
    assert 50_000_000 < found["all"] < 10**12


def test_a_budget_is_what_is_left(monkeypatch):
    monkeypatch.setattr(memory, "resident", lambda: {"anonymous": 400_000_000, "all": 0})
    assert budget_of("2GB") == 2_000_000_000 - 400_000_000 - memory.RESERVE
    with pytest.raises(ValueError, match=r"memory 600MB is too little.*holds 400.0 MB.*give at least 650.0 MB"):
        budget_of("600MB")
    assert budget_of("650MB") == memory.LEAST


def test_disks_are_checked(tmp_path):
    check_disk(tmp_path, 1)
    check_disk(None, 1)
    with pytest.raises(ValueError, match=r"about 1000000.0 TB of scratch files are needed in .*--scratch"):
        check_disk(tmp_path, 10**18)


def write_and_raise(folder, error):
    with scratch_folder(folder) as made:
        (made / "deep").mkdir()
        (made / "deep" / "file").write_text("x")
        raise error


def test_scratch_folders_go_whatever_happens(tmp_path):
    for error in (RuntimeError, KeyboardInterrupt, SystemExit):
        with pytest.raises(error):
            write_and_raise(tmp_path, error)
        assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError, match="folder that exists"), scratch_folder(tmp_path / "none"):
        pass
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError), scratch_folder(tmp_path / "file"):
        pass


def test_a_request_to_stop_removes_scratch_files(tmp_path):
    program = textwrap.dedent(
        """
        import sys, time
        from fiducial.streaming.memory import scratch_folder, stopped_like_interrupted
        with stopped_like_interrupted(), scratch_folder(sys.argv[1]) as made:
            (made / "file").write_text("x")
            print("ready", flush=True)
            time.sleep(60)
        """
    )
    with subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE, stderr=-3) as child:
        assert child.stdout.readline() == b"ready\n"
        assert len(list(tmp_path.iterdir())) == 1
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) != 0
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_goes_when_the_next_one_begins(tmp_path):
    program = textwrap.dedent(
        """
        import sys, time
        from fiducial.streaming.memory import scratch_folder
        with scratch_folder(sys.argv[1]) as made:
            (made / "file").write_text("x")
            print("ready", flush=True)
            time.sleep(60)
        """
    )
    (tmp_path / "fiducial-scratch-mine").mkdir()  # without a lock file: not known to be abandoned
    with subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"ready\n"
        with scratch_folder(tmp_path) as mine:
            assert len(list(tmp_path.iterdir())) == 3  # one that is in use stays
        assert not mine.exists()
        child.kill()
    assert len(list(tmp_path.iterdir())) == 2
    with scratch_folder(tmp_path) as mine:
        assert sorted(tmp_path.iterdir()) == sorted([mine, tmp_path / "fiducial-scratch-mine"])


def test_the_handler_from_before_comes_back():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), stopped_like_interrupted():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_new_folder_that_another_process_took_for_abandoned_is_made_again(tmp_path, monkeypatch):
    made = []
    real = memory._own_folder

    def taken(where):
        made.append(real(where))
        if len(made) == 1:  # between making the folder and locking its file
            assert memory.remove_abandoned(where) == [made[0][0]]
        return made[-1]

    monkeypatch.setattr(memory, "_own_folder", taken)
    with memory.scratch_folder(tmp_path) as folder:
        assert folder.is_dir()
        assert len(made) == 2
    assert not list(tmp_path.iterdir())
