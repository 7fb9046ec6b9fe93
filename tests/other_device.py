"""A device that this machine lacks, played by the CPU: tensors say "cuda:0" and refuse to meet those of the CPU.

Not a simulation of CUDA: it computes on the CPU and knows one rule, that tensors of two devices do not mix, with CUDA's
own exceptions (numbers without axes, indices from the CPU, copies). It finds the line that forgot `.to(device)`.
"""

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

CUDA = torch.device("cuda:0")
_CROSSES = ("copy_", "__setitem__", "set_", "is_set_to", "_is_view")
_NUMPY = ("numpy", "__array__", "__dlpack__")
_PLAIN = ("__repr__", "__str__", "__format__", "__len__", "__bool__", "__int__", "__float__", "__index__", "item")


class Elsewhere(torch.Tensor):
    """A tensor of the other device; shares the memory of the tensor that it was made of."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # all is decided by the mode


def _inner(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.as_subclass(torch.Tensor)


class OtherDevice(TorchFunctionMode):
    """While entered, "cuda" exists."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Every function of torch passes here."""
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        if func is torch.device:
            return func(*args, **kwargs)
        found = _tensors((args, kwargs))
        away = [t for t in found if isinstance(t, Elsewhere)]
        near = [t for t in found if not isinstance(t, Elsewhere)]
        owner = getattr(getattr(func, "__self__", None), "__name__", "")
        if name == "__get__" and owner in ("device", "is_cuda", "is_cpu"):
            if not away:
                return func(*args, **kwargs)
            return {"device": CUDA, "is_cuda": True, "is_cpu": False}[owner]
        if away and name in _NUMPY:
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")
        goal = _goal(func, name, args, kwargs)
        crosses = goal is not None or name in _CROSSES
        if away and near and not crosses:
            indexed = name == "__getitem__" and isinstance(args[0], Elsewhere)
            if not indexed and any(t.ndim for t in near):
                raise RuntimeError(f"Expected all tensors to be on the same device, but {name} got cuda:0 and cpu")
        if name == "__setitem__":
            _check_put(args)
        if name not in ("__get__", "__set__"):  # of a parameter itself, which its alias is not
            args, kwargs = _changed(args, _strip), _changed(kwargs, _strip)
        args = _changed(args, _cpu_device)
        kwargs = {key: _cpu_device(value) if key == "device" else value for key, value in kwargs.items()}
        out = func(*args, **kwargs)
        if goal == "cpu" or (goal is None and not away) or name in _PLAIN:
            return out
        return _changed(out, _wrap)


def move_module(module: torch.nn.Module) -> torch.nn.Module:
    """Put the parameters and buffers of a module on the other device; inside `OtherDevice` only."""
    for part in module.modules():
        for key, value in part._parameters.items():
            if value is not None and not isinstance(value, Elsewhere):
                part._parameters[key] = torch.nn.Parameter(value.data.to(CUDA), requires_grad=False)
        for key, value in part._buffers.items():
            if value is not None and not isinstance(value, Elsewhere):
                part._buffers[key] = value.to(CUDA)
    return module


def _check_put(args: Any) -> None:
    target, index, value = args
    tensors = _tensors(index)
    if not isinstance(target, Elsewhere) and any(isinstance(t, Elsewhere) for t in tensors):
        raise RuntimeError("indices should be on cpu, as the indexed tensor is, got cuda:0")
    apart = isinstance(value, Elsewhere) != isinstance(target, Elsewhere)
    if apart and tensors and isinstance(value, torch.Tensor) and value.ndim:
        raise RuntimeError("Expected all tensors to be on the same device, but __setitem__ got cuda:0 and cpu")


def _goal(func: Any, name: str, args: Any, kwargs: dict[str, Any]) -> str | None:
    """Where the result of a function that names a device goes."""
    if name in ("cpu", "cuda"):
        return name
    named = kwargs.get("device")
    if named is None and name == "to" and len(args) > 1:
        if isinstance(args[1], torch.Tensor):
            named = CUDA if isinstance(args[1], Elsewhere) else "cpu"
        elif isinstance(args[1], (str, torch.device)):
            named = args[1]
    if name == "to" and isinstance(kwargs.get("other"), torch.Tensor):
        named = CUDA if isinstance(kwargs["other"], Elsewhere) else "cpu"
    return None if named is None else torch.device(named).type


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [tensor for part in value for tensor in _tensors(part)]
    return []


def _changed(value: Any, change: Any) -> Any:
    if isinstance(value, dict):
        return {key: _changed(part, change) for key, part in value.items()}
    if (isinstance(value, tuple) and hasattr(value, "_fields")) or type(value).__module__ == "torch.return_types":
        return type(value)([_changed(part, change) for part in value])
    if isinstance(value, (tuple, list)):
        return type(value)(_changed(part, change) for part in value)
    return change(value)


def _strip(value: Any) -> Any:
    return _inner(value) if isinstance(value, Elsewhere) else value


def _wrap(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    if value.requires_grad and value.is_leaf:  # a parameter stays one
        return value.detach().as_subclass(Elsewhere).requires_grad_()
    return value.as_subclass(Elsewhere)


def _cpu_device(value: Any) -> Any:
    if isinstance(value, torch.device) or (isinstance(value, str) and value.split(":")[0] == "cuda"):
        return torch.device("cpu")
    return value
