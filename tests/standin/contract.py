"""Is this exactly a request that Cronofy documents: to cancel an invite, or for its status?"""

import json
import re
from urllib.parse import parse_qsl

PATH = "/v1/smart_invites"

CONTENT_TYPE = re.compile(r"application/json(\s*;\s*charset\s*=\s*\"?utf-8\"?)?", re.I)


class Fault(Exception):
    """What is wrong: the status to answer with, the field, and a text for a person."""

    def __init__(self, status, field, text):
        super().__init__(text)
        self.status = status
        self.field = field


def read_cancel(request, authorities):
    """(invite id, recipient) of a cancel request. authorities: the values that Host may have."""
    _check_target(request, "POST", request.path, authorities)
    if not CONTENT_TYPE.fullmatch(_one(request, "content-type")):
        raise Fault(400, "content-type", f"Content-Type: {_one(request, 'content-type')}")
    if request.values("expect"):
        raise Fault(400, "expect", "a small request that asks for leave to be sent")
    return _read_body(request.body)


def read_status(request, authorities):
    """The same of a request for an invite's status."""
    path, _, query = request.path.partition("?")
    _check_target(request, "GET", path, authorities)
    if request.body or request.values("content-type"):
        raise Fault(400, "body", "a GET with a body")
    if not re.fullmatch(r"(?:[A-Za-z0-9._~=&-]|%[0-9A-F]{2})*", query):
        raise Fault(400, "query", f"not percent-encoded: {query!r}")
    try:
        pairs = _members(parse_qsl(query, strict_parsing=True, errors="strict"))
    except ValueError as error:
        raise Fault(400, "query", f"{query!r}: {error}") from None
    _check_members("query", pairs, {"recipient_email", "smart_invite_id", "include_ics"})
    if pairs["include_ics"] != "true":
        raise Fault(422, "include_ics", f"include_ics is {pairs['include_ics']!r}")
    return pairs["smart_invite_id"], pairs["recipient_email"]


def _check_target(request, method, path, authorities):
    if path != PATH:
        raise Fault(404, "path", f"there is nothing at {request.path}")
    if request.method != method:
        raise Fault(405, "method", f"{request.method} {PATH}")
    if _one(request, "host") not in authorities:
        raise Fault(400, "host", f"Host: {_one(request, 'host')}")


def read_api_key(request):
    scheme, _, key = _one(request, "authorization").partition(" ")
    if scheme != "Bearer" or not key:
        raise Fault(401, "authorization", f"not a Bearer token: {scheme}")
    return key


def _one(request, name):
    values = request.values(name)
    if len(values) != 1:
        raise Fault(401 if name == "authorization" else 400, name, f"{len(values)} {name} headers")
    return values[0]


def _read_body(raw):
    try:
        body = json.loads(raw.decode("utf-8"), object_pairs_hook=_members)
    except ValueError as error:
        raise Fault(400, "body", f"not JSON in UTF-8: {error}: {raw[:200]!r}") from None
    _check_members("body", body, {"method", "recipient", "smart_invite_id"})
    _check_members("recipient", body["recipient"], {"email"})
    if body["method"] != "cancel":
        raise Fault(422, "method", f"method is {body['method']!r}")
    for name, value in (("smart_invite_id", body["smart_invite_id"]),
                        ("recipient.email", body["recipient"]["email"])):
        if not isinstance(value, str) or not value:
            raise Fault(422, name, f"{name} is {value!r}")
    email = body["recipient"]["email"]
    if not re.fullmatch(r"[^\s@<>]+@[^\s@<>]+|\"[^\"<>]+\"@[^\s@<>]+", email):
        raise Fault(422, "recipient.email", f"not an address: {email!r}")
    return body["smart_invite_id"], email


def _members(pairs):
    if len(dict(pairs)) != len(pairs):
        raise ValueError(f"a member twice in {pairs!r}")
    return dict(pairs)


def _check_members(where, value, names):
    if not isinstance(value, dict):
        raise Fault(422, where, f"{where} is {value!r}")
    if set(value) != names:
        raise Fault(422, where, f"{where} has {sorted(value)}, not {sorted(names)}")
