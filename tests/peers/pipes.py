"""Our drop-in and `adit` where there is no terminal, or half of one: as Ansible, editors and
scripts start them."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import tempfile

from harness import Terminal, check, client, drop_in, no_session_left, node, run

ADIT = os.environ["ADIT_BINARY"]
_folder = tempfile.TemporaryDirectory()
PLUGIN = os.path.join(drop_in(_folder.name), "session-manager-plugin")
NODE = node("prod-storefront-01")
ENVIRONMENT = {**os.environ, "AWS_PROFILE": "sandbox-prod"}


def granted(document=None, **parameters):
    """A session somebody has started, as the words that hand it to the official client."""
    ssm = client("ssm")
    request = {"Target": NODE}
    if document:
        request["DocumentName"] = document
        request["Parameters"] = {name: [value] for name, value in parameters.items()}
    response = ssm.start_session(**request)
    response.pop("ResponseMetadata")
    words = [ssm.meta.region_name, "StartSession", "sandbox-prod", json.dumps(request),
             ssm.meta.endpoint_url]
    return json.dumps(response), words


def plugin(*words, text="", env=None):
    return subprocess.run([PLUGIN, *words], env={**ENVIRONMENT, **(env or {})}, input=text,
                          capture_output=True, text=True, timeout=60, check=False)


class Ansible(Terminal):
    """Reads the program on a terminal and writes to it through a pipe, as Ansible's aws_ssm does."""

    def __init__(self, argv, env):
        self.master, slave = pty.openpty()
        self.said = b""
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=slave, bufsize=0,
                                        stderr=subprocess.PIPE, env=env, start_new_session=True)
        os.close(slave)

    def type(self, text):
        self.process.stdin.write(text.encode())


@check("as Ansible drives it: no echo, no prompt, marked commands, then a plain kill", 60)
def ansible():
    response, words = granted()
    with Ansible([PLUGIN, response, *words], ENVIRONMENT) as program:
        program.expect("Starting session with SessionId")
        program.type("stty -echo\n")
        program.expect("stty -echo")
        program.type("PS1='' ; bind 'set enable-bracketed-paste off'; printf '\\n%s\\n' 'mArK'\n")
        # The terminal's own line ends on top of the far one's: nobody has made it raw.
        program.expect(r"\r\r\nmArK\r\r\n")
        for number in range(3):
            program.type(f"printf '%s\\n' 'bEgIn'; sh -c 'echo {number}; exit {number}'; "
                         "echo $?; printf '\\n%s\\n' 'eNd'\n")
            found = program.expect(r"bEgIn\r\r\n(.*)\r\r\neNd").group(1).split()
            assert found == [str(number).encode()] * 2, found
        session = json.loads(response)["SessionId"]
        client("ssm").terminate_session(SessionId=session)
        with contextlib.suppress(ProcessLookupError):
            program.signal(signal.SIGTERM)
        assert program.wait() == 0
        assert program.process.stderr.read() == b""
    no_session_left()


@check("a shell between two pipes runs what it is given and ends with its input", 60)
def shell():
    response, words = granted()
    done = plugin(response, *words, text="echo is-$((6*7))\n")
    assert done.returncode == 0 and "is-42" in done.stdout and done.stderr == "", done
    no_session_left()


@check("the answer in an environment variable is taken", 60)
def variable():
    response, words = granted()
    name = "AWS_SSM_START_SESSION_RESPONSE_1"
    done = plugin(name, *words, text="echo is-$((6*7))\n", env={name: response})
    assert done.returncode == 0 and "is-42" in done.stdout, done
    no_session_left()


@check("outputs apart come with their prefixes and the exit status in words, as callers expect", 60)
def outputs():
    response, words = granted("AWS-StartNonInteractiveCommand", separateOutputStream="true",
                              stdErrSeparatorPrefix="E:", stdOutSeparatorPrefix="O:",
                              command="sh -c 'echo good; sleep 0.3; echo bad >&2; exit 3'")
    done = plugin(response, *words)
    assert done.returncode == 0 and done.stderr == "", done
    lines = done.stdout.split("\n")
    assert "O:good" in lines and "E:bad" in lines and "EXIT_CODE: 3" in lines, lines
    no_session_left()


@check("what cannot be read is told without the token, and the exit status is 0 as ever", 30)
def malformed():
    done = plugin('{"TokenValue": "very-secret"', "eu-central-1", "StartSession")
    assert done.returncode == 0 and "Cannot perform start session" in done.stdout, done
    assert "very-secret" not in done.stdout + done.stderr
    assert plugin("{}", "eu-central-1", "EndSession").stdout == "Invalid Operation"
    assert "Unknown operation x" in plugin("x").stdout


@check("adit run -t puts a command on this terminal: typed into, resized, interrupted", 60)
def on_a_terminal():
    argv = [ADIT, "run", "-t", NODE, "stty size; cat; echo left-$?"]
    with Terminal(argv, env=ENVIRONMENT) as program:
        program.expect(r"24 80\r?\n")
        program.type("twice\r")
        program.expect(r"twice\r?\n.*twice\r?\n")
        program.type("\x04")
        program.expect(r"left-0\r?\n")
        assert program.wait() == 0
    with Terminal([ADIT, "run", "-t", NODE, "cat"], env=ENVIRONMENT) as program:
        program.type("once\r")
        program.expect(r"once\r?\n.*once\r?\n")
        program.type("\x03")
        program.wait()
    no_session_left()


@check("a killed adit's session is mentioned to a person, and ended on request", 60)
def leftovers():
    with Terminal([ADIT, "run", NODE, "echo up; exec sleep 60"], env=ENVIRONMENT) as program:
        program.expect("up")
        program.signal(signal.SIGKILL)
        program.wait()
    with Terminal([ADIT, "nodes", "bastion"], env=ENVIRONMENT) as program:
        program.expect(r"left \d+ sessions? open")
        program.expect("NAME .*prod-bastion-01")
        program.wait()
    with Terminal([ADIT, "leftovers", "--end"], env=ENVIRONMENT) as program:
        program.expect("Ended ")
        assert program.wait() == 0
    no_session_left()


run()
