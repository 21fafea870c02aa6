"""OpenSSH's own ssh, scp and sftp to a real sshd behind a node: by `adit proxy`, and by the `aws`
command with our drop-in."""

import contextlib
import getpass
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

from harness import check, drop_in, free_port, no_session_left, node, run, sandbox, until

AWS = os.path.join(os.path.dirname(sys.executable), "aws")
ADIT = os.environ["ADIT_BINARY"]
NODE = node("prod-bastion-01")
BULK = 20_000_000

_folder = tempfile.TemporaryDirectory(prefix="adit-ssh-")
FOLDER = _folder.name
ENVIRONMENT = {**os.environ, "AWS_PROFILE": "sandbox-prod",
               "PATH": drop_in(FOLDER) + os.pathsep + os.environ["PATH"]}


def in_folder(name):
    return os.path.join(FOLDER, name)


def write(name, text):
    with open(in_folder(name), "w", encoding="utf-8") as file:
        file.write(text)
    return in_folder(name)


def key(name):
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", in_folder(name)]
    subprocess.run(argv, check=True, timeout=20)
    return in_folder(name)


@contextlib.contextmanager
def server():
    """An sshd of our own on a free port, which the node believes to be its port 22.

    What the shells of whoever runs this read at their start, and say, is none of our business."""
    port = free_port()
    shutil.copy(key("user") + ".pub", in_folder("authorized"))
    config = write("sshd_config", f"""
ListenAddress 127.0.0.1
Port {port}
HostKey {key("host")}
AuthorizedKeysFile {in_folder("authorized")}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
SetEnv HOME={FOLDER}
""")
    if os.geteuid() == 0:
        # What the system's own service makes for a server that drops its privileges.
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    with open(in_folder("sshd.log"), "w", encoding="utf-8") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", config], stderr=log,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        until(lambda: "Server listening" in log_text() or process.poll() is not None, "sshd is up")
        assert process.poll() is None, log_text()
        sandbox("ports", {"node": NODE, "port": 22, "to": f"127.0.0.1:{port}"})
        yield
    finally:
        process.terminate()
        process.wait(10)


def log_text():
    with open(in_folder("sshd.log"), encoding="utf-8") as log:
        return log.read()


def client_config():
    """What a user has in ~/.ssh/config: our lines as they are printed, and those AWS documents."""
    ours = subprocess.run([ADIT, "proxy", "--print-config"], env=ENVIRONMENT, timeout=20,
                          capture_output=True, text=True, check=True).stdout
    return write("ssh_config", f"""
Host by-adit
    HostName {NODE}
    ProxyCommand '{ADIT}' proxy %h %p
Host by-aws
    HostName {NODE}
    ProxyCommand '{AWS}' ssm start-session --target %h --document-name AWS-StartSSHSession --parameters portNumber=%p
{ours}
Host *
    User {getpass.getuser()}
    IdentityFile {in_folder("user")}
    IdentitiesOnly yes
    UserKnownHostsFile {in_folder("known")}
    StrictHostKeyChecking accept-new
    BatchMode yes
    LogLevel ERROR
    ConnectTimeout 60
""")


def secure(program, *words, **more):
    argv = [program, "-F", CONFIG, *words]
    more = {"stdin": subprocess.DEVNULL, "timeout": 100, **more}
    return subprocess.run(argv, env=ENVIRONMENT, capture_output=True, check=False, **more)


def start(program, *words):
    return subprocess.Popen([program, "-F", CONFIG, *words], env=ENVIRONMENT, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resumed():
    return sandbox("state")["counts"]["requests"].get("ResumeSession", 0)


def cut_in_the_midst(process, path):
    """Breaks the websocket once a part of the file is there; nobody may notice."""
    before = resumed()
    size = lambda: os.path.getsize(path) if os.path.exists(path) else 0
    until(lambda: size() > BULK // 5 or process.poll() is not None, "a part has arrived", 60)
    sandbox("faults", {"fault": "cut"})
    assert size() < BULK, "there was nothing left to cut"
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 0 and said == "", (process.returncode, said)
    assert resumed() > before, "the cut was not felt"


def commands(host):
    done = secure("ssh", host, "echo $HOME; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, f"{FOLDER}\n".encode(), b"err\n"), done
    text = os.urandom(300_000)
    done = secure("ssh", host, "cat; exec 1>&-; exit 0", input=text, stdin=None)
    assert done.returncode == 0 and done.stdout == text, (done.returncode, len(done.stdout), done.stderr)
    no_session_left()


def copies(host):
    near, far, back = in_folder("near"), in_folder(f"far-{host}"), in_folder(f"back-{host}")
    # An agent sends 20 MB in half a minute; the pace is not what is looked at here.
    sandbox("faults", {"fault": "agent", "rules": {"pacing": "none"}})
    cut_in_the_midst(start("scp", "-q", near, f"{host}:{far}"), far)
    assert digest(far) == digest(near)
    cut_in_the_midst(start("scp", "-q", f"{host}:{far}", back), back)
    assert digest(back) == digest(near)
    sandbox("faults", {"fault": "reset"})
    no_session_left()


def files(host):
    near, far, back = in_folder("small"), in_folder(f"put-{host}"), in_folder(f"got-{host}")
    with open(near, "wb") as file:
        file.write(os.urandom(200_000))
    batch = f"put {near} {far}\nget {far} {back}\nrm {far}\n"
    done = secure("sftp", "-q", "-b", "-", host, input=batch.encode(), stdin=None)
    assert done.returncode == 0, done
    assert digest(back) == digest(near) and not os.path.exists(far)
    no_session_left()


@check("by adit proxy: ssh keeps outputs, input and exit status apart", 120)
def commands_by_adit():
    commands("by-adit")


@check("by adit proxy: 20 MB of scp, up and down, through a cut that nobody notices", 240)
def copies_by_adit():
    copies("by-adit")


@check("by adit proxy: sftp puts, gets and removes", 120)
def files_by_adit():
    files("by-adit")


@check("by the lines adit prints: ssh to a node's id, and a clear word when that is not there", 120)
def by_the_printed_lines():
    done = secure("ssh", NODE, "echo here")
    assert (done.returncode, done.stdout) == (0, b"here\n"), done
    away = node("hamburg-till-02")
    done = secure("ssh", away, "echo here")
    assert done.returncode == 255 and b"TargetNotConnected" in done.stderr, done
    no_session_left()


@check("by aws and our drop-in: ssh keeps outputs, input and exit status apart", 120)
def commands_by_aws():
    commands("by-aws")


@check("by aws and our drop-in: 20 MB of scp, up and down, through a cut that nobody notices", 240)
def copies_by_aws():
    copies("by-aws")


@check("by aws and our drop-in: sftp puts, gets and removes", 120)
def files_by_aws():
    files("by-aws")


with server():
    CONFIG = client_config()
    with open(in_folder("near"), "wb") as file:
        file.write(os.urandom(BULK))
    run()
