"""The `aws` command with our drop-in in the place of session-manager-plugin."""

import contextlib
import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile

from harness import (Terminal, ask, carries, check, drop_in, free_port, greets, no_session_left, node,
                     run)

AWS = os.path.join(os.path.dirname(sys.executable), "aws")

# The aws command finds the client by name, wherever the PATH leads first.
_folder = tempfile.TemporaryDirectory()
PLUGIN = os.path.join(drop_in(_folder.name), "session-manager-plugin")
ENVIRONMENT = {**os.environ, "PATH": _folder.name + os.pathsep + os.environ["PATH"],
               "AWS_PROFILE": "sandbox-prod"}


def start(target, document=None, **parameters):
    """The command line that starts a session the documented way."""
    argv = [AWS, "ssm", "start-session", "--target", target]
    if document:
        values = {name: [str(value)] for name, value in parameters.items()}
        argv += ["--document-name", document, "--parameters", json.dumps(values)]
    return argv


@contextlib.contextmanager
def forward(target, document, **parameters):
    """A forward of the aws command's; yields the local port. Ctrl-C ends it, as at a terminal."""
    local = free_port()
    argv = start(target, document, localPortNumber=local, **parameters)
    with Terminal(argv, env=ENVIRONMENT) as program:
        program.expect(f"Port {local} opened for sessionId")
        program.expect("Waiting for connections")
        yield local
        program.type("\x03")
        program.wait()
    no_session_left()


@check("it says its version and, without arguments, that it is installed")
def alone():
    version = subprocess.run([PLUGIN, "--version"], capture_output=True, text=True, timeout=10,
                             check=True).stdout.strip()
    assert version.count(".") == 3 and version.replace(".", "").isdigit(), version
    words = subprocess.run([PLUGIN], capture_output=True, text=True, timeout=10, check=True)
    assert "installed successfully" in words.stdout, words


@check("a shell is typed into, interrupted, resized and left", 45)
def shell():
    with Terminal(start(node("prod-storefront-01")), env=ENVIRONMENT) as program:
        program.expect("Starting session with SessionId: mara-")
        program.expect(r"[$#] ")
        program.type("echo is-$((40+2))\r")
        program.expect(r"is-42\r?\n")
        program.type("stty size; cat\r")
        program.expect(r"24 80\r?\n")
        program.type("twice\r")
        program.expect(r"twice\r?\n.*twice\r?\n")
        program.type("\x03")
        program.expect(r"\^C.*[$#] ")
        program.resize(101, 31)
        program.type("until [ \"$(stty size)\" = '31 101' ]; do :; done; echo resized-$((1+1))\r")
        program.expect(r"resized-2\r?\n")
        program.type("exit\r")
        program.expect("Exiting session with sessionId: mara-")
        assert program.wait() == 0
    no_session_left()


@check("100 000 lines come whole and in order", 60)
def long_output():
    with Terminal(start(node("prod-storefront-01")), env=ENVIRONMENT) as program:
        program.expect(r"[$#] ")
        program.type("echo be''gin; seq 1 100000; echo e''nd\r")
        program.read_until("begin\r\n")
        lines = program.read_until("end\r\n", 50).split()
        assert [int(line) for line in lines] == list(range(1, 100_001)), len(lines)
        program.type("exit\r")
        program.wait()


@check("a port carries bytes both ways, connections side by side")
def port():
    with forward(node("prod-storefront-01"), "AWS-StartPortForwardingSession", portNumber=80) as local:
        carries(local, 1_000_000)
        open_ones = [http.client.HTTPConnection("127.0.0.1", local, timeout=20) for _ in range(8)]
        for each in open_ones:
            each.request("GET", "/bytes/20000")
        digests = {hashlib.sha256(each.getresponse().read()).hexdigest() for each in open_ones}
        assert len(digests) == 1


@check("a remote host is reached through a node")
def remote_host():
    document = "AWS-StartPortForwardingSessionToRemoteHost"
    with forward(node("prod-bastion-01"), document, host="orders-db.internal",
                 portNumber=5432) as local:
        greets(local, b"orders-db.internal")


@check("an agent without multiplexing still forwards, one connection at a time")
def old_agent():
    with forward(node("prod-legacy-shop-01"), "AWS-StartPortForwardingSession",
                 portNumber=80) as local:
        for _ in range(3):
            assert ask(local, "/health") == b"ok\n"


@check("a command document's output comes to standard output")
def command():
    argv = start(node("prod-storefront-01"), "AWS-StartNonInteractiveCommand",
                 command="sh -c 'echo answer-$((6*7)); exit 3'")
    done = subprocess.run(argv, env=ENVIRONMENT, capture_output=True, text=True, timeout=25,
                          stdin=subprocess.DEVNULL, check=False)
    assert "answer-42" in done.stdout, done
    no_session_left()


@check("a session's end at the service ends it here, with the reason")
def ended_elsewhere():
    with Terminal(start(node("prod-storefront-01")), env=ENVIRONMENT) as program:
        name = program.expect(r"SessionId: (mara-\w+)").group(1).decode()
        program.expect(r"[$#] ")
        subprocess.run([AWS, "ssm", "terminate-session", "--session-id", name], env=ENVIRONMENT,
                       capture_output=True, timeout=20, check=True)
        program.expect(f"Exiting session with sessionId: {name}")
        assert program.wait() == 0


@check("a closed terminal leaves no session behind")
def hang_up():
    with Terminal(start(node("prod-storefront-01")), env=ENVIRONMENT) as program:
        program.expect(r"[$#] ")
        program.signal(signal.SIGHUP)
        program.wait()
    no_session_left()


run()
