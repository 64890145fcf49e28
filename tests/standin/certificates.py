"""Throw-away certificates, right and wrong, and the TLS contexts of servers that show them."""

import fcntl
import os
import ssl
import subprocess
import tempfile
import warnings
from datetime import datetime, timedelta, timezone
from pathlib import Path

# name -> (the CA's name, the subject alternative names, the days from now at which it ends)
CERTIFICATES = {
    "server": ("ca", "DNS:localhost,IP:127.0.0.1", 30),
    "untrusted": ("other-ca", "DNS:localhost,IP:127.0.0.1", 30),
    "expired": ("ca", "DNS:localhost,IP:127.0.0.1", -1),
    "wrong_host": ("ca", "DNS:elsewhere.test", 30),
}

# RFC 5280 to the letter, which Python 3.13 asks for. By "openssl ca", as no other command of both
# OpenSSL 3.0 and 3.5 makes a certificate that has ended.
CONFIGURATION = """\
[req]
distinguished_name = name
prompt = no
x509_extensions = authority
[name]
CN = stand-in {authority}
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[ca]
default_ca = signing
[signing]
new_certs_dir = .
database = {authority}.index
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
x509_extensions = server
[any]
commonName = supplied
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""


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
        (work / f"{authority}.index").touch()
        _openssl(work, "req", "-x509", "-days", "30", *_new_key(f"{authority}.key"),
                 *_configuration(work, authority), "-out", f"{authority}.pem")
    _openssl(work, "req", "-new", "-subj", "/CN=localhost", *_new_key("server.key"),
             "-out", "server.csr")
    for name, (authority, names, days) in CERTIFICATES.items():
        end = datetime.now(timezone.utc) + timedelta(days=days)
        _openssl(work, "ca", "-batch", "-notext", "-in", "server.csr", "-out", f"{name}.pem",
                 "-startdate", _date(end - timedelta(days=60)), "-enddate", _date(end),
                 "-cert", f"{authority}.pem", "-keyfile", f"{authority}.key",
                 *_configuration(work, authority, names))


def _configuration(work, authority, names="DNS:localhost"):
    (work / "openssl.cnf").write_text(CONFIGURATION.format(authority=authority, names=names))
    return ("-config", "openssl.cnf")


def _date(moment):
    return moment.strftime("%Y%m%d%H%M%SZ")


def _openssl(work, *arguments):
    done = subprocess.run(["openssl", *arguments], cwd=work, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")
