"""Throw-away certificates, right and wrong, and the TLS contexts of servers that show them."""

import fcntl
import os
import ssl
import subprocess
import tempfile
import warnings
from pathlib import Path

# name -> (the CA's name, the subject alternative names, the days it is valid)
CERTIFICATES = {
    "server": ("ca", "DNS:localhost,IP:127.0.0.1", 30),
    "untrusted": ("other-ca", "DNS:localhost,IP:127.0.0.1", 30),
    "expired": ("ca", "DNS:localhost,IP:127.0.0.1", -1),
    "wrong_host": ("ca", "DNS:elsewhere.test", 30),
}


def make(folder):
    """Has folder hold ca.pem, server.key and a NAME.pem for each certificate.

    They are kept if they are good for another day. Several makers don't disturb each other.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _good(folder / "server.pem"):
            with tempfile.TemporaryDirectory(dir=folder) as work:
                _make(Path(work))
                # Everything hangs on server.pem being there: it goes last.
                for name in ("ca.pem", "server.key", *reversed([f"{n}.pem" for n in CERTIFICATES])):
                    os.replace(Path(work) / name, folder / name)


def context(folder, name="server"):
    """Speaks HTTP/1.1 only, as a client that offers more learns by ALPN."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(Path(folder) / f"{name}.pem", Path(folder) / "server.key")
    made.set_alpn_protocols(["http/1.1"])
    return made


def tls_1_1_context(folder):
    """Speaks TLS 1.1 and nothing newer. None if this OpenSSL can't any more."""
    made = context(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            made.set_ciphers("ALL:@SECLEVEL=0")
            made.minimum_version = made.maximum_version = ssl.TLSVersion.TLSv1_1
        except (ssl.SSLError, ValueError):
            return None
    return made


def _good(certificate):
    return certificate.exists() and subprocess.run(
        ["openssl", "x509", "-checkend", "86400", "-noout", "-in", certificate],
        stdout=subprocess.DEVNULL).returncode == 0


def _new_key(file):
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file)


def _make(work):
    for authority in ("ca", "other-ca"):
        _openssl(work, "req", "-x509", "-subj", f"/CN=stand-in {authority}", "-days", "30",
                 *_new_key(f"{authority}.key"), "-out", f"{authority}.pem")
    _openssl(work, "req", "-new", "-subj", "/CN=localhost", *_new_key("server.key"),
             "-out", "server.csr")
    for name, (authority, names, days) in CERTIFICATES.items():
        (work / "extensions").write_text(f"subjectAltName = {names}\n")
        _openssl(work, "x509", "-req", "-in", "server.csr", "-days", str(days),
                 "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial",
                 "-extfile", "extensions", "-out", f"{name}.pem")


def _openssl(work, *arguments):
    done = subprocess.run(["openssl", *arguments], cwd=work, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")
