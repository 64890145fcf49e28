"""A private OpenDKIM that signs what it is given, with a key that only it and its verifier know."""

import subprocess

from lab import tools
from lab.process import Process

SELECTOR = "lab"
LEAVE_TAGGED = tools.ROOT / "conf/opendkim/leave-tagged-mail.lua"

SIGNER = """\
Mode s
Socket {socket}
UMask 000
Background no
Syslog no
Domain {domain}
Selector {selector}
KeyFile {key}
RequireSafeKeys no
InternalHosts 0.0.0.0/0
Canonicalization {canonicalization}
{more}
"""

VERIFIER = """\
Mode v
Syslog no
TestPublicKeys {keys}
"""


class OpenDKIM:
    """Signs mail whose From is in domain. socket: as cancel-invite-milter.conf writes it.

    leave_tagged: with conf/opendkim/leave-tagged-mail.lua, as queued mode needs it.
    """

    def __init__(self, workdir, domain="example.test", socket=None, canonicalization="simple",
                 leave_tagged=False):
        self._program = tools.program("opendkim", "usr/sbin/opendkim")
        openssl = tools.installed("openssl")
        self._folder = workdir.folder("opendkim")
        self._socket_path = self._folder / "socket"
        self._own_socket = socket is None
        self.socket = socket or f"unix:{self._socket_path}"
        self._process = None

        key = workdir.write("opendkim/key", _run(openssl, "genrsa", "2048"), 0o600)
        public = _run(openssl, "rsa", "-in", key, "-pubout")
        record = f"v=DKIM1; k=rsa; p={''.join(public.splitlines()[1:-1])}"
        keys = workdir.write("opendkim/keys", f"{SELECTOR}._domainkey.{domain} {record}\n")
        self._signer = workdir.write("opendkim/signer.conf", SIGNER.format(
            socket=self.socket, domain=domain, selector=SELECTOR, key=key,
            canonicalization=canonicalization,
            more=f"SetupPolicyScript {LEAVE_TAGGED}" if leave_tagged else ""))
        self._verifier = workdir.write("opendkim/verifier.conf", VERIFIER.format(keys=keys))

    def start(self):
        self._process = Process([self._program, "-f", "-x", self._signer],
                                self._folder / "printed")
        self._process.wait_until(lambda: not self._own_socket or self._socket_path.exists())
        return self

    def stop(self):
        if self._process:
            self._process.stop(timeout=0.2)  # libmilter takes seconds to notice, nothing is lost
        self._process = None

    def verify(self, message):
        """What opendkim says of a message: "... verification (...) succeeded", or why not."""
        file = self._folder / "message"
        file.write_bytes(message)
        done = subprocess.run([self._program, "-x", self._verifier, "-t", file],
                              capture_output=True, text=True)
        return done.stdout + done.stderr


def _run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
