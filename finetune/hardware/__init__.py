"""Floor 4: facts of the machine, and the Plan that follows from them, each choice with its reason.

machines: device, CPUs, memory. measuring: number format and threads of a CPU, timed. memory: the estimate of the peak.
plan, planning: the Plan and how it is made.
"""

from finetune.hardware import machines, measuring, memory
from finetune.hardware.machines import Machine, free_memory, give_memory_back, machine, spelled_bytes
from finetune.hardware.measuring import Speeds, measured
from finetune.hardware.memory import Load, require_room
from finetune.hardware.plan import Plan, Ways
from finetune.hardware.planning import dtype_for, load_of, make_plan, most_step_tokens, too_large

__all__ = [
    "Load",
    "Machine",
    "Plan",
    "Speeds",
    "Ways",
    "dtype_for",
    "free_memory",
    "give_memory_back",
    "load_of",
    "machine",
    "machines",
    "make_plan",
    "measured",
    "measuring",
    "memory",
    "most_step_tokens",
    "require_room",
    "spelled_bytes",
    "too_large",
]
