"""Real processes, real faults, recorded histories: nothing acknowledged is lost, and no linearizable read is stale."""

import pytest

from harness.trial import Trial
from workloads import WORKLOADS


@pytest.mark.parametrize("name", WORKLOADS)
def test_all_faults(name, directory, faults, seconds, seed):
    Trial(directory, WORKLOADS[name], faults, seconds, seed).run()
