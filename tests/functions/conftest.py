import pytest

from tests.support.factories import Factory, Tenant


@pytest.fixture(scope="module")
def tenant(make: Factory) -> Tenant:
    return make.tenant()


@pytest.fixture(scope="module")
def workflow(make: Factory, tenant: Tenant) -> str:
    return str(make.workflow(tenant))
