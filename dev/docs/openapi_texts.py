"""What the OpenAPI document says in words of its own."""

DESCRIPTION = """\
Tenants and their people, workflows and executions, knowledge, chats and preferences of FloMastr.

Sign in with a bearer token or an API key; the scope that an operation needs stands at its `security`. A key has the
scopes that it was given. A person may do what its role in the tenant allows (member, admin, owner), `me:` whoever is
signed in, `platform:` super admins alone.

A request acts in one tenant: the one in its path, else `tenant_id` in its query or body, else the `X-Tenant` header,
else the only tenant that you belong to. Rows of other tenants answer 404, like rows that never were. Each tenant may
make so many requests a minute, and a key its own number: `RateLimit` says what is left.

Lists are newest first; a `Link` header leads to the next page. Every single resource has an `ETag`: in `If-Match` it
lets a write happen to this state and no other, in `If-None-Match` it asks for news only. A POST with an
`Idempotency-Key` happens once, however often it is sent. Errors are `application/problem+json`.
"""
INFO = {
    "title": "FloMastr data platform",
    "version": "1",
    "description": DESCRIPTION,
    "contact": {"name": "FloMastr"},
    "license": {"name": "Proprietary", "identifier": "LicenseRef-Proprietary"},
}
SERVERS = [{"url": "/", "description": "Where this document is served."}]
BEARER = {"type": "http", "scheme": "bearer", "description": "A person's JWT, or a machine's API key: `flo_live_...`."}
SIGNATURE = {
    "type": "apiKey",
    "in": "header",
    "name": "webhook-signature",
    "description": "Standard Webhooks, signed with the secret of the API key that the query names.",
}
HEADERS = {
    "ETag": "The state of the resource.",
    "Flo-Consistency": "Send it with later reads, and they see this write. Only where reads may go to a replica.",
    "Link": 'The next page: `<path>; rel="next"`. Not on the last one.',
    "Location": "The path of the resource.",
    "RateLimit": 'What is left: `"tenant";r=5999;t=1`, t being the seconds until the whole quota is available again.',
    "RateLimit-Policy": 'The limits: `"tenant";q=6000;w=60`, requests and seconds. Both where requests are counted.',
    "Retry-After": "Seconds to wait before the request is repeated.",
    "X-Total-Count": "How many there are on all pages. With `Prefer: count=exact` only.",
}
REFUSALS = {
    400: "The request cannot be understood, or names no tenant where you belong to several.",
    401: "You are not signed in, or your API key is no longer valid.",
    403: "You may not do this.",
    404: "There is no such thing for you: no such resource, or no such tenant.",
    412: "The resource has changed since you read it.",
    413: "The body is too large.",
    415: "The body is compressed.",
    422: "A value is invalid: `errors` names the field.",
    429: "The tenant, the key or the person has used up its requests of this minute. `x-weight` is what one weighs.",
    503: "The database cannot be reached at the moment. Repeat the request.",
}
TOO_MANY = {  # where no function counts
    "description": "API Gateway is asked too often. Wait, and repeat the request.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}},
}
