"""What clients do while the nemesis is at work. Each workload records a history for `quorate check`, and checks
directly what a history cannot say."""

from .append import Append
from .bank import Bank
from .register import Register
from .unique_set import UniqueSet

WORKLOADS = {workload.name: workload for workload in (Register, Append, UniqueSet, Bank)}
