"""Every test that asks for `kernel` runs on both twins; hypothesis prints the seed of what fails."""

from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

from rights_native import _kernel, twin

settings.register_profile(
    "kernel",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("kernel")


@pytest.fixture(params=[twin, _kernel], ids=["twin", "compiled"])
def kernel(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module
