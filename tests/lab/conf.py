"""The files from conf/ that administrators install, for a filter that listens elsewhere."""

from lab import tools

SOCKET = "unix:/run/cancel-invite-milter/milter.sock"


def installed(name, socket):
    """The text of the file conf/NAME with this socket in place of the one it names."""
    text = (tools.ROOT / "conf" / name).read_text()
    assert SOCKET in text, f"conf/{name} doesn't name {SOCKET}"
    return text.replace(SOCKET, socket)
