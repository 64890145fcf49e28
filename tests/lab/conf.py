"""The files from conf/ that administrators install, for a filter that listens elsewhere."""

from lab import tools

SOCKET = "unix:/run/cancel-invite-milter/milter.sock"
LISTENER_PORT = "10026"  # the second one's
QUEUE_FOLDER = "/var/spool/mqueue"  # Sendmail's


def installed(name, socket):
    """The text of the file conf/NAME with this socket in place of the one it names."""
    return _with(name, {SOCKET: socket})


def in_folder(name, socket, port, queue_folder):
    """As installed(), with the second listener at another port and queues in another folder."""
    return _with(name, {SOCKET: socket, LISTENER_PORT: str(port), QUEUE_FOLDER: str(queue_folder)})


def with_listener(name, port):
    """The text of the file conf/NAME with the second listener at another port."""
    return _with(name, {LISTENER_PORT: str(port)})


def _with(name, changes):
    text = (tools.ROOT / "conf" / name).read_text()
    for old, new in changes.items():
        assert old in text, f"conf/{name} doesn't name {old}"
        text = text.replace(old, new)
    return text
