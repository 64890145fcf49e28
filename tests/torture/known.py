"""Faults of libraries, not ours: where they are, why they are theirs, and what the filter does about it.

A finding is known if it is of this kind and the call that failed came from one of these functions of
this library ("" is any of it).
"""

KNOWN = [
    # libical 3.0 uses what malloc() gave without a look (icalproperty_new_impl, icalparameter_set_xvalue
    # and others). By then the calendar is in the ledger: systemd starts the filter anew, and the next try
    # takes it from there.
    ("crash", "libical.so", ("",)),
    # OpenSSL 3.0 takes a lock that could not be made while it sets itself up. That is the first thing
    # that the filter and each command do: no mail has come in yet, and systemd starts it anew.
    ("crash", "libcrypto.so", ("OSSL_LIB_CTX_get0_global_default", "OPENSSL_init_crypto",
                               "CRYPTO_THREAD_run_once")),
]


def known(finding):
    return any(finding.kind == kind and _comes_from(finding.site, library, functions)
               for kind, library, functions in KNOWN)


def _comes_from(site, library, functions):
    return any(found.startswith(library) and function.startswith(functions)
               for found, function in site)
