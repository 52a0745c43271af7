"""How the database is reached: whether it answers, and whether its certificate is believed, and for how long."""

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from flomastr.database import connection
from flomastr.database.connection import Connection
from flomastr.doctor.verdicts import SkippedError, Verdict, fail, ok, warn
from flomastr.settings import database_url

SECONDS = 5.0  # of one check: a statement that takes longer is given up
SOON = timedelta(days=30)
HERE = ("", "localhost", "127.0.0.1", "::1")

NO_ANSWER = "Look at host and port, at trusted sources (DigitalOcean) and at the way out of a VPC."
CLOSED_TO_US = "Let this address in: trusted sources, at DigitalOcean."
NO_SUCH_HOST = "Correct the host name."
NOT_FROM_HERE = {NO_ANSWER, CLOSED_TO_US, NO_SUCH_HOST}  # where another network may do better

# What libpq says, and what to do then. The first that fits counts.
CURES = (
    ("certificate verify failed", "The CA is not the server's: download the cluster's CA certificate again."),
    ("does not match host name", "Use the host name that the provider gives, which its certificate has."),
    ("root certificate file", "Put the cluster's CA certificate where sslrootcert says."),
    ("SSL", "The server and sslmode disagree: use sslmode=verify-full, and a server with TLS."),
    ("password authentication failed", "Correct the user and password of the URL."),
    ("no pg_hba.conf entry", CLOSED_TO_US),
    (r"role .* does not exist", "Run the migrations, which make the role, and give it a password."),
    (r"database .* does not exist|no such database", "Correct the name of the database, or of the pool."),
    ("too many connections|remaining connection slots", "The server has no connection left: use the pool."),
    ("translate host name|resolve|Name or service", NO_SUCH_HOST),
)


def until() -> float:
    """The deadline of what begins now, of time.monotonic()."""
    return time.monotonic() + SECONDS


def opened() -> Connection:
    """A connection whatever its role, for looking at. Raises psycopg.Error, UnavailableError."""
    return connection.open_connection(database_url(), until())


def refusal(error: Exception) -> Verdict:
    """What to do when there is no connection."""
    said = str(error).strip().replace("\n", " ") or type(error).__name__
    cure = next((cure for pattern, cure in CURES if re.search(pattern, said)), NO_ANSWER)
    return fail(said[:300], cure)


def encryption(conn: Connection) -> Verdict:
    """Whether the way is encrypted, and the server's certificate and name are verified."""
    if not conn.pgconn.ssl_in_use:
        if conn.info.host in HERE or conn.info.host.startswith("/"):
            return ok("none, on this machine")
        return fail("None", "Use a server with TLS, and sslmode=verify-full with its CA.")
    mode = conn.info.get_parameters().get("sslmode", "prefer")
    if mode != "verify-full":
        return warn(f"TLS, with sslmode={mode}", "Use sslmode=verify-full: anybody could answer for the server.")
    return ok("TLS, and the server's certificate and name are verified")


def ca_certificate() -> Verdict:
    """Until when the CA is good that the URL names. Raises SkippedError."""
    path = conninfo_to_dict(database_url()).get("sslrootcert")
    if not path or path == "system":
        raise SkippedError("the URL names no sslrootcert")
    from cryptography.x509 import load_pem_x509_certificates

    try:
        ends = min(found.not_valid_after_utc for found in load_pem_x509_certificates(Path(str(path)).read_bytes()))
    except (OSError, ValueError) as error:
        return fail(f"Unreadable: {error}", "Put the cluster's CA certificate (PEM) there.")
    left = ends - datetime.now(UTC)
    seen = f"good until {ends:%Y-%m-%d}"
    cure = "Download the cluster's CA certificate, and put it into the secrets."
    if left <= timedelta(0):
        return fail(seen, cure)
    return warn(seen, cure) if left < SOON else ok(seen)
