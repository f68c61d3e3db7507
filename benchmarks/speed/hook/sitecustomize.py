"""The clock of the speed benchmark, the same for every contender: a line at each optimizer step.

Python imports this module at its start when the folder is on PYTHONPATH. It does nothing unless the environment names
a file (FINETUNE_BENCH_STEPS); then it waits until torch is imported and registers torch's own global hooks:

- before the first forward pass of a module as large as the base: what the loaded model takes
- after each step of an optimizer: wall time, CPU time of the process, memory now and at its peak

A module of the same name that this one hides is loaded afterwards. Only the standard library is imported here.
"""

import importlib.machinery
import json
import os
import sys
import time

_FILE = os.environ.get("FINETUNE_BENCH_STEPS", "")
_PARAMETERS = int(os.environ.get("FINETUNE_BENCH_PARAMETERS") or 0)


def _memory():
    """Bytes now and at the peak, of this process; anonymous ones apart, where the system tells."""
    found = {}
    try:
        with open("/proc/self/status") as file:
            for line in file:
                key, _, rest = line.partition(":")
                if key in ("VmRSS", "VmHWM", "RssAnon"):
                    found[key] = int(rest.split()[0]) * 1024
    except OSError:
        pass
    return found


def _write(event, **facts):
    torch = sys.modules["torch"]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
        facts["gpu_peak"] = torch.cuda.max_memory_allocated()
        facts["gpu_reserved_peak"] = torch.cuda.max_memory_reserved()
        facts["gpu_now"] = torch.cuda.memory_allocated()
    line = {"event": event, "pid": os.getpid(), "wall": time.time(), "cpu": time.process_time(), **_memory(), **facts}
    with open(_FILE, "a") as file:
        file.write(json.dumps(line) + "\n")


def _watch_optimizers(module):
    def after_step(optimizer, args, kwargs):
        _write("step", kind=type(optimizer).__name__, optimizer=id(optimizer))

    module.register_optimizer_step_post_hook(after_step)


def _watch_modules(module):
    handles = []

    def before_forward(called, args):
        parameters = list(called.parameters())
        if not handles or sum(p.numel() for p in parameters) < 0.9 * _PARAMETERS:
            return
        handles.pop().remove()
        # A file that is mapped counts only where it was read: every page is read here, so that no contender looks
        # as if its model weighed nothing.
        for parameter in parameters:
            if parameter.device.type == "cpu" and parameter.is_contiguous():
                parameter.detach().view(-1)[:: max(1, 4096 // parameter.element_size())].sum()
        _write("loaded")

    handles.append(module.register_module_forward_pre_hook(before_forward))


class _Finder:
    """Finds two modules of torch as ever, and has a function called when they are loaded."""

    wanted = {"torch.optim.optimizer": _watch_optimizers, "torch.nn.modules.module": _watch_modules}

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name not in cls.wanted:
            return None
        then = cls.wanted.pop(name)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            then(module)

        spec.loader.exec_module = exec_module
        return spec


def _load_the_hidden_one():
    here = os.path.dirname(os.path.abspath(__file__))
    others = [folder for folder in sys.path if os.path.abspath(folder or ".") != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        module = type(sys)("sitecustomize")
        module.__spec__ = spec
        module.__file__ = spec.origin
        spec.loader.exec_module(module)


if _FILE:
    sys.meta_path.insert(0, _Finder)
try:
    _load_the_hidden_one()
except Exception as error:  # as Python itself treats a sitecustomize that fails: say it, and go on
    print(f"sitecustomize: {error}", file=sys.stderr)
