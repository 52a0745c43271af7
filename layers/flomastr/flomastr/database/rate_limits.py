"""Rate limits of tenants, keys and persons: app.spend counts a request, the answer says what is left.

Headers as in draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy: "tenant";q=6000;w=60` and
`RateLimit: "tenant";r=5999;t=1`, t being the seconds until the whole quota is there again.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

SPEND = """
SELECT name, q, r, t
FROM app.spend(
  %(user_id)s, %(email)s, %(key_id)s, decode(%(key_hash)s, 'hex'), %(tenant)s, %(scope)s, %(weight)s
)
"""


class Bucket(NamedTuple):
    name: str
    quota: int
    remaining: int
    seconds: int


def headers(buckets: Sequence[Bucket]) -> dict[str, str]:
    """What a request that was counted is told of its limits."""
    return {
        "RateLimit-Policy": ", ".join(f'"{b.name}";q={b.quota};w=60' for b in buckets),
        "RateLimit": ", ".join(f'"{b.name}";r={b.remaining};t={b.seconds}' for b in buckets),
    }


def headers_of_refusal(detail: str) -> dict[str, str]:
    """Those of a 429, from the detail of its SQL error: the exhausted limit, if one is, and when to come again."""
    if not detail:
        return {"Retry-After": "1"}
    bucket = Bucket(*json.loads(detail).values())
    return headers([bucket]) | {"Retry-After": str(bucket.seconds)}
