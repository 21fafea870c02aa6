"""What the Python peers share: named checks with deadlines, the emulator, programs on a terminal."""

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import traceback
import urllib.request

import boto3
from botocore.config import Config

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
REGION = os.environ["AWS_DEFAULT_REGION"]

_checks = []


def check(title, seconds=30):
    """Marks a function as a check; `run` calls it and gives it so many seconds."""

    def keep(function):
        _checks.append((title, seconds, function))
        return function

    return keep


def run():
    """Runs every check in the order of its definition, one line each on standard output."""

    def late(_signal, _frame):
        raise TimeoutError("not done in time")

    signal.signal(signal.SIGALRM, late)
    failed = False
    for title, seconds, function in _checks:
        _active_before.clear()
        _active_before.update(_active())
        signal.alarm(seconds)
        try:
            function()
            signal.alarm(0)
            print(f"ok - {title}", flush=True)
        except Exception as error:  # whatever it is, the next check still runs
            signal.alarm(0)
            failed = True
            reason = " ".join(str(error).split())
            print(f"not ok - {title}: {type(error).__name__}: {reason}", flush=True)
            traceback.print_exc(file=sys.stderr)
    sys.exit(1 if failed else 0)


def client(service, profile="sandbox-prod", region=REGION, **config):
    """A boto3 client of the emulator for one of its made-up people."""
    session = boto3.Session(profile_name=profile, region_name=region)
    return session.client(service, config=Config(**config))


def sandbox(what, body=None):
    """Asks the emulator about itself, or tells it to do something wrong."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"{ENDPOINT}/_sandbox/{what}", data, timeout=10) as answer:
        return json.loads(answer.read())


def node(name):
    """The id of the node that carries this name."""
    filters = [{"Key": "tag:Name", "Values": [name]}]
    found = client("ssm").describe_instance_information(Filters=filters)
    ids = [each["InstanceId"] for each in found["InstanceInformationList"]]
    assert len(ids) == 1, f"{len(ids)} nodes are called {name}"
    return ids[0]


def until(condition, what, seconds=10):
    """Waits for a state of the emulator, which cannot tell us by itself."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"still not so: {what}")
        select.select([], [], [], 0.02)


def _active():
    return {each["id"] for each in sandbox("state")["sessions"]["list"]}


_active_before = set()


def no_session_left():
    """What this check started has ended at the service too."""
    until(lambda: _active() <= _active_before, "all sessions have ended")


def drop_in(folder):
    """Puts our drop-in into a folder, which it answers: whoever has that first on the PATH gets it."""
    binary, plugin = os.environ["ADIT_BINARY"], os.path.join(folder, "session-manager-plugin")
    try:
        os.link(binary, plugin)
    except OSError:
        shutil.copy2(binary, plugin)
    return folder


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, path, sent=None):
    """What the page behind a forwarded port answers; what is sent goes with it."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as page:
        page.request("GET" if sent is None else "POST", path, sent)
        return page.getresponse().read()


def carries(port, size):
    """So many bytes come through a forwarded port unchanged, either way."""
    assert ask(port, "/health") == b"ok\n"
    digest = hashlib.sha256(ask(port, f"/bytes/{size}")).hexdigest()
    assert digest == ask(port, f"/sha256/{size}").decode().strip()
    sent = os.urandom(size)
    answer = ask(port, "/upload", sent).decode()
    assert hashlib.sha256(sent).hexdigest() in answer, answer


def greets(port, name):
    """The inventory behind a forwarded port is that of this host."""
    with socket.create_connection(("127.0.0.1", port), 10) as lines:
        lines.settimeout(10)
        lines.sendall(b"SUM\n")
        assert lines.makefile("rb").readline().startswith(b"OK " + name)


class Terminal:
    """A program on a pseudo terminal of its own."""

    def __init__(self, argv, env=None, columns=80, rows=24):
        self.master, slave = pty.openpty()
        self.said = b""
        self.resize(columns, rows)
        mode = termios.tcgetattr(slave)
        mode[1] &= ~termios.OPOST  # the program's bytes as they are
        termios.tcsetattr(slave, termios.TCSANOW, mode)
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.master)

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        data = text.encode()
        while data:
            data = data[os.write(self.master, data):]

    def _read(self, end):
        """One more piece of output; nothing at the program's end."""
        ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
        if not ready:
            raise TimeoutError(f"waited in vain; last words: {self.said[-300:]!r}")
        try:
            return os.read(self.master, 65536)
        except OSError:  # Linux says EIO when the last holder of the terminal is gone
            return b""

    def expect(self, pattern, seconds=20):
        """Waits for a regular expression in what has not been matched yet; answers the match."""
        wanted = re.compile(pattern.encode(), re.S)
        end = time.monotonic() + seconds
        while True:
            match = wanted.search(self.said)
            if match:
                self.said = self.said[match.end():]
                return match
            piece = self._read(end)
            if not piece:
                raise EOFError(f"ended without {pattern!r}; last words: {self.said[-300:]!r}")
            self.said += piece

    def read_until(self, marker, seconds=20):
        """All output up to a marker, which is dropped: for more than a pattern should search."""
        end = time.monotonic() + seconds
        wanted, pieces = marker.encode(), [self.said]
        while wanted not in b"".join(pieces[-2:]):
            pieces.append(self._read(end))
            if not pieces[-1]:
                raise EOFError(f"ended without {marker!r}")
        before, _, self.said = b"".join(pieces).partition(wanted)
        return before

    def signal(self, number):
        os.killpg(self.process.pid, number)

    def wait(self, seconds=20):
        """Reads to the end; answers the exit code."""
        end = time.monotonic() + seconds
        while piece := self._read(end):
            self.said += piece
        return self.process.wait(max(0.1, end - time.monotonic()))
