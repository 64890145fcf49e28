"""A private Cyrus: a mailbox and a calendar of one user, whose mail acts on the calendar.

Mail comes by LMTP, its Sieve script hands calendars in it to Cyrus' own iTIP, and CalDAV shows what
has become of the calendar. Cyrus' programs are used as the unpacked packages have them.
"""

import base64
import http.client
import imaplib
import os
import re
import smtplib
import socket

from lab import tools
from lab.process import Port, Process

USER, DOMAIN = "ada", "customer.example"
ADMIN, ACCOUNT = "admin", "nobody"  # who may make mailboxes; as whom Cyrus runs

SCRIPT = """\
require "vnd.cyrus.imip";
processimip :deletecanceled;
"""

IMAPD_CONF = """\
configdirectory: {folder}/conf
defaultpartition: default
partition-default: {folder}/spool
sievedir: {folder}/sieve
cyrus_user: {account}
cyrus_group: {group}
admins: {admin}
sasl_pwcheck_method: alwaystrue
sasl_mech_list: PLAIN
allowplaintext: yes
lmtp_strip_domain: yes
virtdomains: off
httpmodules: caldav
calendar_user_address_set: {domain}
caldav_create_attach: no
duplicatesuppression: no
skiplist_unsafe: yes
search_engine: none
lmtpsocket: {folder}/run/lmtp
idlesocket: {folder}/run/idle
notifysocket: {folder}/run/notify
"""

SERVICES = {  # package, program, options
    "imap": ("cyrus-imapd", "imapd", ""),
    "lmtp": ("cyrus-common", "lmtpd", "-a"),
    "http": ("cyrus-caldav", "httpd", ""),
    "sieve": ("cyrus-common", "timsieved", ""),
}


def program(package, name):
    return tools.program(package, f"usr/lib/cyrus/bin/{name}", libraries="cyrus-common")


class Cyrus:
    """Starts at once, with the user, their calendar and their Sieve script."""

    def __init__(self, workdir):
        tools.need_root("Cyrus")
        folder = workdir.folder("cyrus", user=ACCOUNT)
        for name in ("conf/db", "conf/socket", "conf/proc", "conf", "spool", "sieve", "run"):
            workdir.folder(f"cyrus/{name}", user=ACCOUNT)
        imapd = workdir.write("cyrus/imapd.conf", IMAPD_CONF.format(
            folder=folder, account=ACCOUNT, group="nogroup", admin=ADMIN, domain=DOMAIN))
        self._ports = {service: Port() for service in SERVICES}
        services = [f'{name} cmd="{program(*command)} -C {imapd} {options}" '
                    f'listen="127.0.0.1:{self._ports[name].number}" prefork=0'
                    for name, (*command, options) in SERVICES.items()]
        conf = workdir.write("cyrus/cyrus.conf", "\n".join([
            "START {", f'recover cmd="{program("cyrus-common", "ctl_cyrusdb")} -C {imapd} -r"', "}",
            "SERVICES {", *services, "}", "EVENTS {", "}", ""]))
        self._process = Process(
            [program("cyrus-common", "master"), "-C", imapd, "-M", conf,
             "-p", folder / "run/master.pid"],
            folder / "printed",
            env={**os.environ, "CYRUS_USER": ACCOUNT,
                 "LD_LIBRARY_PATH": tools.library_path("cyrus-common")})
        self._process.wait_until(self._ports["sieve"].answers)
        self._make_user()

    def close(self):
        self._process.stop()
        for port in self._ports.values():
            port.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def deliver(self, message, sender):
        """Hands a mail to the user; returns when Cyrus has acted on it."""
        with smtplib.LMTP("127.0.0.1", self._ports["lmtp"].number, timeout=20) as lmtp:
            lmtp.sendmail(sender, [USER], message)

    def events(self):
        """The UIDs of the events in the user's calendar, sorted."""
        calendar = self._dav("GET", f"/dav/calendars/user/{USER}/Default/")
        return sorted(re.findall(r"^BEGIN:VEVENT\r?$.*?^UID:(.*?)\r?$", calendar, re.M | re.S))

    def _make_user(self):
        with imaplib.IMAP4("127.0.0.1", self._ports["imap"].number, timeout=20) as imap:
            imap.login(ADMIN, "any")
            assert imap.create(f"user/{USER}")[0] == "OK"
        self._dav("PROPFIND", f"/dav/calendars/user/{USER}/", Depth="1")  # makes the calendar
        self._put_script()

    def _put_script(self):
        """By ManageSieve (RFC 5804)."""
        login = base64.b64encode(f"\0{USER}\0any".encode()).decode()
        with socket.create_connection(("127.0.0.1", self._ports["sieve"].number), 20) as sieve, \
                sieve.makefile("rwb") as stream:
            def answered():
                for line in stream:
                    if line.startswith((b"OK", b"NO", b"BYE")):
                        assert line.startswith(b"OK"), line + stream.readline()
                        return
            answered()
            for command in (f'AUTHENTICATE "PLAIN" "{login}"',
                            f'PUTSCRIPT "act" {{{len(SCRIPT)}+}}\r\n{SCRIPT}',
                            'SETACTIVE "act"'):
                stream.write(command.encode() + b"\r\n")
                stream.flush()
                answered()

    def _dav(self, method, path, body=None, **headers):
        login = base64.b64encode(f"{USER}:any".encode()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self._ports["http"].number, timeout=20)
        connection.request(method, path, body, {"Authorization": f"Basic {login}", **headers})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        assert response.status < 300, (method, path, response.status, text)
        return text
