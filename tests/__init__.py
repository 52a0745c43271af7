"""What the functions find in their environment: set before any of them is imported."""

import os

os.environ |= {
    "SIGNING_KEY": "test-signing-key",
    "LOCAL_ENCRYPTION_KEY": "test-encryption-key",
    "OIDC_ISSUER": "https://issuer.test",
    "OIDC_JWKS_URL": "http://127.0.0.1:1/jwks.json",
    "OIDC_AUTHORIZED_PARTIES": "https://app.test",
    "POWERTOOLS_SERVICE_NAME": "test",
    "POWERTOOLS_METRICS_NAMESPACE": "FloMastr",
    "POWERTOOLS_TRACE_DISABLED": "true",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
}
