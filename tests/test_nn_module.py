"""Modules find their parts; their state is saved and loaded whole or not at all."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import tinygrad_bn as tg
from tinygrad_bn import nn


class Net(nn.Module):
    """Parts in an attribute, in a list and in a dictionary; one of them twice."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.first = nn.Linear(4, 3, generator=rng)
        self.more = [nn.BatchNorm(3), self.first]
        self.by_name = {"out": nn.Linear(3, 2, generator=rng)}
        self.scale = nn.Parameter(2.0, name="scale")

    def forward(self, x):
        return self.by_name["out"](self.more[0](self.first(x))) * self.scale


NAMES = [
    "scale", "first.weight", "first.bias", "more.0.gamma", "more.0.beta", "more.0.running_mean",
    "more.0.running_var", "more.0.num_batches_tracked", "by_name.out.weight", "by_name.out.bias",
]  # fmt: skip


def test_parts_are_found_wherever_they_are_each_once() -> None:
    net = Net()
    assert list(net.state_dict()) == NAMES
    assert len(list(net.parameters())) == 7
    assert len(list(net.buffers())) == 3
    assert [name for name, _ in net.named_modules()] == ["", "first", "more.0", "by_name.out"]


def test_results_of_parameters_are_plain_tensors() -> None:
    p = nn.Parameter([1.0, 2.0])
    assert type(p * 2) is tg.Tensor
    assert type(p[0]) is tg.Tensor
    assert not nn.Parameter([1.0], requires_grad=False).requires_grad


def test_modes_and_gradients_reach_all_parts() -> None:
    net = Net()
    assert net.train(False) is net
    assert not any(module.training for module in net.modules())
    assert net.train() is net
    assert all(module.training for module in net.modules())
    net(np.random.default_rng(0).normal(size=(5, 4))).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_save_and_load_round_trip_bit_for_bit(tmp_path) -> None:
    net, other = Net(0), Net(1)
    x = np.random.default_rng(0).normal(size=(5, 4))
    net(x)
    path = net.save(tmp_path / "net.npz")
    other.load(path)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, other.state_dict()[name])
    np.testing.assert_array_equal(net.eval()(x).data, other.eval()(x).data)
    assert [file.name for file in tmp_path.iterdir()] == ["net.npz"]


def test_the_state_is_a_copy() -> None:
    net = Net()
    net.state_dict()["first.weight"][:] = 7.0
    assert not (net.first.weight.data == 7.0).any()


def test_a_state_keeps_the_dtype_of_the_module() -> None:
    layer = nn.Linear(2, 1, dtype=np.float32)
    layer.load_state_dict({"weight": np.array([[1, 2]]), "bias": [0.5]})
    assert layer.weight.dtype == np.float32
    assert layer([[1.0, 1.0]]).data == pytest.approx(3.5)


def test_a_state_that_does_not_fit_changes_nothing_and_lists_every_mismatch() -> None:
    net = Net()
    before, state = net.state_dict(), net.state_dict()
    state["first.weight"] = np.ones((3, 4)) * 9
    del state["scale"]
    state["more.0.gamma"] = np.ones(4)
    state["extra"] = np.ones(1)
    with pytest.raises(ValueError, match="does not fit Net") as caught:
        net.load_state_dict(state)
    for part in (
        "'scale' is missing",
        "'extra' is not in this module",
        "shape (4,), expected (3,)",
    ):
        assert part in str(caught.value)
    assert all((net.state_dict()[name] == value).all() for name, value in before.items())
    with pytest.raises(TypeError, match="complex"):
        net.load_state_dict({**before, "scale": 1j})


class Explosive:
    def __reduce__(self):
        return pytest.fail, ("the file ran code",)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        b"PK\x03\x04 cut off",
        pickle.dumps(Explosive()),
    ],
)
def test_a_file_that_is_no_state_is_refused_and_never_unpickled(tmp_path, content) -> None:
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"'bad\.npz' is not a state"):
        Net().load(path)


def test_an_archive_with_pickled_objects_is_refused(tmp_path) -> None:
    np.savez(tmp_path / "bad.npz", scale=np.array([Explosive()], dtype=object))
    with pytest.raises(ValueError, match="is not a state"):
        Net().load(tmp_path / "bad.npz")
    np.save(tmp_path / "single.npy", np.ones(3))
    (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    with pytest.raises(ValueError, match="is not a state"):
        Net().load(tmp_path / "single.npz")


def test_another_ending_and_a_missing_file_are_errors(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"must end in \.npz"):
        Net().save(tmp_path / "net.pkl")
    with pytest.raises(FileNotFoundError):
        Net().load(tmp_path / "nothing.npz")
    assert not list(tmp_path.iterdir())


def test_a_copied_or_pickled_network_computes_the_same_and_shares_nothing() -> None:
    net = Net().eval()
    x = np.random.default_rng(0).normal(size=(5, 4))
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(twin(x).data, net(x).data)
        assert twin.more[1] is twin.first
        twin.scale.data = np.array(0.0)
        assert net.scale.item() == 2.0


def test_sequential_is_a_sequence() -> None:
    layers = [nn.Linear(4, 3), nn.Sigmoid(), nn.Linear(3, 2)]
    model = nn.Sequential(*layers)
    assert len(model) == 3
    assert list(model) == layers
    assert model[-1] is layers[2]
    assert list(model[:2]) == layers[:2]
    with pytest.raises(TypeError, match="layer 1 is of type int"):
        nn.Sequential(nn.Sigmoid(), 3)


def test_names_given_to_sequential_label_state_and_scopes() -> None:
    model = nn.Sequential({"hidden": nn.Linear(4, 3), "squash": nn.Tanh()})
    assert list(model.state_dict()) == ["hidden.weight", "hidden.bias"]
    assert model(np.ones((1, 4))).scope == "Sequential/squash"


def test_every_layer_opens_a_scope_that_holds_its_parameters() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm(3), nn.Linear(3, 2))
    graph = tg.graph(model(np.random.default_rng(0).normal(size=(5, 4))))
    assert graph["Sequential/Linear/weight"].shape == (3, 4)
    assert graph["Sequential/Linear_2/weight"].shape == (2, 3)
    assert graph["gamma"].scope == "Sequential/BatchNorm"
    assert graph["x_hat"].scope == "Sequential/BatchNorm/batch_norm"


def test_a_module_without_forward_says_so() -> None:
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match="Empty must define forward"):
        Empty()(1.0)
