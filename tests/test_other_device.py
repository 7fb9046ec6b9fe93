"""The device that the CPU plays refuses what CUDA refuses, and allows what it allows."""

import pytest
import torch
from other_device import Elsewhere, OtherDevice, move_module


def test_tensors_of_two_devices_do_not_mix():
    with OtherDevice():
        there, here = torch.arange(6.0, device="cuda").reshape(2, 3), torch.ones(2, 3)
        assert there.device.type == "cuda"
        assert here.device.type == "cpu"
        assert isinstance(there + 1, Elsewhere)
        assert (there + here.to(there)).device.type == "cuda"
        assert (there + torch.tensor(2.0)).device.type == "cuda"
        for broken in (lambda: there + here, lambda: there @ here.T, lambda: torch.cat([there, here])):
            with pytest.raises(RuntimeError, match="same device"):
                broken()
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
        assert there.cpu().numpy().sum() == 15
        assert there[torch.tensor([1])].tolist() == [[3.0, 4.0, 5.0]]
        with pytest.raises(RuntimeError, match="cuda:0"):
            here[torch.tensor([1], device="cuda")]
        with pytest.raises(RuntimeError, match="same device"):
            there[torch.tensor([0])] = here[:1]
        there[0] = here[0]
        assert there.new_zeros(2).device.type == "cuda"
        values, _ = there.topk(1)
        assert values.device.type == "cuda"
    with pytest.raises(Exception, match=r"CUDA|cuda"):
        torch.zeros(1, device="cuda" if not torch.cuda.is_available() else "cuda:99")


def test_modules_move():
    with OtherDevice():
        layer = move_module(torch.nn.Linear(3, 2))
        assert layer(torch.ones(1, 3, device="cuda")).device.type == "cuda"
        with pytest.raises(RuntimeError, match="same device"):
            layer(torch.ones(1, 3))
