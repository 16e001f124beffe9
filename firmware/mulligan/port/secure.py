"""TLS: what a link is made with, and why one did not come about. Borrowed for each: most of the time nobody needs it.

Sources of explained(): mbedTLS 3, include/mbedtls/x509_crt.h (what it says of a certificate that it refuses; MicroPython hands
that on as a ValueError, a reason a line) and ssl.h (error numbers).
"""

import time

from ..core.errors import ClockUnset, TransportError, Untrusted


def context(ca, cert, key):
    """The SSLContext of a client that talks to nobody but whom ``ca`` vouches for.

    ca: DER of one or more certificate authorities, one after the other; cert, key: DER of this device's own certificate and of
    the private key to it, or None. Raises: Untrusted where one of them is missing or malformed.
    """
    from tls import CERT_REQUIRED, PROTOCOL_TLS_CLIENT, SSLContext

    made = SSLContext(PROTOCOL_TLS_CLIENT)
    made.verify_mode = CERT_REQUIRED  # type: ignore[attr-defined]
    if not ca:
        raise Untrusted("https needs the certificate authority to trust: set ca")
    try:
        while ca:
            # A DER certificate begins with 30 82 and its length in two bytes; the parser takes no bytes after it.
            end = 4 + (ca[2] << 8 | ca[3]) if ca[:2] == b"\x30\x82" and len(ca) >= 4 else len(ca)
            made.load_verify_locations(ca[:end])
            ca = ca[end:]
    except ValueError:
        raise Untrusted("ca: not certificates in DER")
    if cert or key:
        try:
            made.load_cert_chain(cert, key)
        except (TypeError, ValueError) as e:
            raise Untrusted("cert, key: not a certificate and its private key in DER: {}".format(e))
    return made


def explained(error, host, now):
    """The error to raise for ``error``, an OSError or ValueError of TLS with ``host``; ``now`` as Clock.now()."""
    text = str(error)
    if not isinstance(error, ValueError):
        if error.errno == -0x7780:  # a fatal alert
            return Untrusted(
                "TLS: {} refused this device: it takes other TLS versions only, or wants a certificate that it knows".format(host)
            )
        what = "speaks no TLS on this port" if error.errno == -0x7200 else "broke it off: " + text  # an invalid record
        return TransportError("TLS: {} {}".format(host, what))
    which = "TLS: the certificate of {} ".format(host)
    # Of a stranger's certificate nothing else matters, so that comes first.
    if "trusted CA" in text:
        return Untrusted(which + "is not by an authority in ca: another server answers, or ca is out of date")
    if "(CN)" in text:
        return Untrusted(which + "is for another host name: correct url, or the certificate")
    if "expired" not in text and "future" not in text:
        return Untrusted(which + "is refused: " + " ".join(text.split()))
    which += "has expired" if "expired" in text else "is not valid yet"
    which += " by this clock, which says {}-{:02d}-{:02d}: ".format(*time.gmtime()[:3])
    if now is None:
        return ClockUnset(
            which + "it was never set. Set it before the first step, by ntptime.settime() or machine.RTC().datetime(); see "
            "docs/SECURITY.md, The clock"
        )
    return Untrusted(which + "renew it, or set the clock")
