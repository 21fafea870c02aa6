"""pyssm-client, an independent client in Python, against the emulator's gateway and agent."""

import contextlib
import json
import os
import select
import signal
import socket
import sys

from harness import ENDPOINT, Terminal, carries, check, client, greets, node, run

PYSSM = [os.path.join(os.path.dirname(sys.executable), "pyssm")]
HERE = ["--region", os.environ["AWS_DEFAULT_REGION"], "--endpoint-url", ENDPOINT]


# What a destination on each port answers something to.
GREETINGS = {7: b"hello\n", 80: b"GET /health HTTP/1.0\r\n\r\n", 5432: b"HELP\n"}


@contextlib.contextmanager
def forward(target, port, *more):
    """A forward of pyssm's to `port`; yields the local port.

    It says everything once only, and an agent loses what comes in the moment after it has said
    that it is ready. A session that starts so is given up for the next.
    """
    argv = [*PYSSM, "port-forward", "--target", target, "--remote-port", str(port), *more, *HERE]
    for _ in range(6):
        with Terminal(argv) as program:
            local = int(program.expect(r"listening on 127\.0\.0\.1:(\d+)").group(1))
            is_up = answers(local, GREETINGS[port])
            if is_up:
                yield local
            program.signal(signal.SIGINT)
        if is_up:
            return
    raise AssertionError("no session answers")


def answers(local, greeting):
    """Whether anything comes back soon."""
    with socket.create_connection(("127.0.0.1", local), 10) as connection:
        connection.sendall(greeting)
        ready, _, _ = select.select([connection], [], [], 2)
        return bool(ready) and connection.recv(1) != b""


@check("a shell is typed into, resized and left")
def shell():
    # It says everything once only, and an agent takes nothing before its shell is there. So the
    # session is asked for first; by the time Python has started, the shell has too.
    target = node("prod-storefront-01")
    session = client("ssm").start_session(Target=target)
    argv = [*PYSSM, "connect", json.dumps({**session, "target": target})]
    with Terminal(argv) as program:
        program.expect(r"[$#] ")
        program.type("echo is-$((40+2))\r")
        program.expect(r"is-42\r?\n")
        program.resize(101, 31)
        program.type("until [ \"$(stty size)\" = '31 101' ]; do :; done; echo resized-$((1+1))\r")
        program.expect(r"resized-2\r?\n")
        program.type("printf 'gr\\303\\274\\303\\237e\\n'\r")
        program.expect("grüße\r?\n")
        program.type("exit\r")
        program.wait()


@check("a forwarded port carries bytes both ways, connection after connection")
def port():
    with forward(node("prod-storefront-01"), 80) as local:
        carries(local, 300_000)


@check("several connections share one session")
def several():
    with forward(node("prod-storefront-01"), 7) as local:
        open_ones = [socket.create_connection(("127.0.0.1", local), 10) for _ in range(5)]
        for number, each in enumerate(open_ones):
            each.settimeout(10)
            each.sendall(b"connection %d\n" % number)
        for number, each in enumerate(open_ones):
            with each.makefile("rb") as lines:
                assert lines.readline() == b"connection %d\n" % number
            each.close()


@check("a remote host is reached through a node")
def remote_host():
    more = ["--remote-host", "orders-db.internal"]
    with forward(node("prod-bastion-01"), 5432, *more) as local:
        greets(local, b"orders-db.internal")


run()
