"""What the checks of the catalogue let pass, and why."""

ON_PLATFORM = "( SELECT app.on_platform() AS on_platform)"
OUTSIDE = "(( SELECT app.tenant() AS tenant) IS NULL)"
OWN_KEYS = (
    f"({OUTSIDE} AND (tenant_id IS NULL)"
    " AND (actor = ( SELECT current_setting('app.actor'::text, true) AS current_setting)))"
)
OWN_MEMBERSHIPS = (
    f"({OUTSIDE} AND (user_id = ANY (ARRAY[( SELECT app.person() AS person),"
    " ( SELECT app.invited_person() AS invited_person)])))"
)
OWN_TENANTS = (
    f"({OUTSIDE} AND (deleted_at IS NULL) AND (EXISTS ( SELECT FROM app.tenant_memberships m"
    " WHERE ((m.tenant_id = tenants.id) AND (m.status = ANY (ARRAY['active'::text, 'pending'::text]))"
    " AND ((tenants.status = 'active'::text) OR (m.role = 'owner'::text))))))"
)

OWN_PREFERENCES = "((tenant_id IS NULL) AND (user_id = ( SELECT app.person() AS person)))"
OWN_PREFERENCES_IN_TENANTS = (
    f"({OUTSIDE} AND (user_id = ( SELECT app.person() AS person)) AND (EXISTS ( SELECT"
    " FROM (app.tenant_memberships m JOIN app.tenants t ON ((t.id = m.tenant_id)))"
    " WHERE ((m.tenant_id = user_preferences.tenant_id) AND (m.user_id = user_preferences.user_id)"
    " AND (m.status = 'active'::text) AND (t.deleted_at IS NULL)))))"
)

EXCEPTIONS = {
    "without_tenant": {
        "schema_migrations": "the ledger: flo_app may read which migrations there are",
        "user_roles": "global roles: for super admins alone, outside tenants; app.enter looks",
        "rate_buckets": "counts: flo_app has no right to it, app.spend counts",
    },
    "without_tenant_at_times": {  # a row without tenant equals none, so the policy of tenants hides it
        "idempotency_keys": "answers to what a person did outside any tenant",
        "user_preferences": "what a person prefers in all tenants",
    },
    "opened": {  # besides the rows of the tenant: verbs, which rows are seen, which are written
        f"tenants.platform * {ON_PLATFORM} {ON_PLATFORM}": "super admins see, make and delete tenants",
        f"tenant_memberships.platform * {ON_PLATFORM} {ON_PLATFORM}": "and say who owns them",
        f"tenant_actions.platform * {ON_PLATFORM} {ON_PLATFORM}": "and write down what they did to them",
        f"user_roles.platform * {ON_PLATFORM} {ON_PLATFORM}": "and give global roles",
        f"tenant_memberships.own r {OWN_MEMBERSHIPS} -": "people see where they belong, before they enter",
        f"tenants.own r {OWN_TENANTS} -": "and what these tenants are called",
        f"idempotency_keys.own * {OWN_KEYS} {OWN_KEYS}": "what people do outside tenants happens once as well",
        f"user_preferences.own * {OWN_PREFERENCES} {OWN_PREFERENCES}": "a person's defaults are the person's",
        f"user_preferences.own_in_tenants r {OWN_PREFERENCES_IN_TENANTS} -": "people see what they prefer anywhere",
    },
    "run_as_owner": {
        "enter": "the gate, which looks before there is a tenant",
        "spend": "counts requests ahead of the gate, in buckets that are nobody's to see",
        "verified_key": "the authorizer asks whose key it is",
        "keep_leaves_ready": "makes partitions, which only their owner can",
    },
}
