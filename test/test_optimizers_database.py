"""PyTorch's own database of optimizers (optim_db) on metal, by PyTorch's own device-generic machinery.

Parameters and gradients are made on the CPU; after several steps metal has the CPU's parameters and state. By default
every optimizer runs in float32 and with one of its other dtypes in turn; ``TORCH_METAL_OPINFO=all`` runs all.
"""

import copy
import io
import pickle
import re
import warnings

import pytest
import torch
from torch.testing._internal.common_device_type import instantiate_device_type_tests
from torch.testing._internal.common_optimizers import OptimizerErrorEnum, optim_db, optims
from torch.testing._internal.common_utils import TestCase
from torch.utils._pytree import tree_map_only

import torch_metal
from test.agreement import sample
from test.opinfo.choice import chosen
from test.opinfo.closeness import WIDER, assert_as_exact_as_the_cpu
from test.opinfo.conformance import dtype_name
from test.opinfo.declared import error_of, settle

STEPS = 4
SHAPES = [(4, 3), (65, 70), (7,), (2, 3, 4), (), (0, 3)]
#: What an optimizer does not take: Muon other than matrices, Adafactor empty tensors.
UNFIT = {"Muon": lambda shape: len(shape) != 2 or 0 in shape, "Adafactor": lambda shape: 0 in shape}


def dtypes_of(info):
    half = [torch.float16, torch.bfloat16] if info.name != "LBFGS" else []  # where rounding decides when it ends
    return [*half, torch.float64, *[torch.complex64] * info.supports_complex]


CHOSEN = chosen([type("Entry", (), {"formatted_name": info.name, "info": info}) for info in optim_db],
                lambda entry: dtypes_of(entry.info))  # fmt: skip
CHOSEN |= {(info.name, torch.float32) for info in optim_db}


class chosen_optims(optims):
    """@optims with what this run has chosen."""

    def __init__(self, infos, dtypes=(torch.float32,)):
        super().__init__(infos, dtypes)

    def _parametrize_test(self, test, generic_cls, device_cls):
        for case in super()._parametrize_test(test, generic_cls, device_cls):
            if (case[2]["optim_info"].name, case[2]["dtype"]) in CHOSEN:
                yield case


EVERY_DTYPE = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.complex64)
FUSED = [info for info in optim_db if "cuda" in info.supports_fused_on]
DENSE = [info for info in optim_db if not info.only_supports_sparse_grads]


def configurations(info, implementation):
    """Keyword arguments of an optimizer: all that the database has for CUDA, where the implementation takes them."""
    for given in info.optim_inputs_func("cuda"):
        kwargs = dict(given.kwargs)
        tensors = [v for v in (kwargs.get("lr"), *kwargs.get("betas", ())) if isinstance(v, torch.Tensor)]
        if implementation == "foreach" and tensors and not kwargs.get("capturable"):
            continue  # PyTorch refuses that
        if implementation == "fused" and isinstance(kwargs.get("lr"), torch.Tensor):
            yield {**kwargs, "fused": True, "lr": kwargs["lr"].to("metal")}
        yield {**kwargs, **{name: name == implementation for name in info.supported_impls if name != "differentiable"}}


def for_the_cpu(kwargs):
    """The same configuration in the CPU's plainest implementation."""
    kwargs = tree_map_only(torch.Tensor, lambda t: t.cpu(), kwargs)
    return {name: False if name in ("foreach", "fused") else kwargs[name] for name in kwargs if name != "capturable"}


class Training:
    """Parameters of several shapes, one of them transposed, and an optimizer of them. The gradients do not depend on the
    parameters, unless the optimizer wants a closure."""

    def __init__(self, info, device, dtype, kwargs):
        self.info, self.device, self.dtype = info, device, dtype
        shapes = [s for s in SHAPES if not UNFIT.get(info.name, lambda shape: False)(s)]
        values = [sample(*shape, dtype=self._kind(), seed=i).to(device, dtype) for i, shape in enumerate(shapes)]
        if info.name != "LBFGS":  # which takes contiguous ones
            values[0] = values[0].t().contiguous().t()
        self.parameters = [torch.nn.Parameter(v) for v in values]
        self.optimizer = info.optim_cls(self.parameters, **kwargs)

    def _kind(self):
        return torch.complex64 if self.dtype.is_complex else torch.float32

    def _set_gradients(self, step):
        for i, p in enumerate(self.parameters):
            gradient = sample(*p.shape, dtype=self._kind(), seed=100 * (step + 1) + i)
            gradient += gradient.sgn() / 2  # the square of a small one is 0 in float16
            p.grad = torch.empty_like(p).copy_(gradient.to(self.device, self.dtype))

    def _closure(self):
        self.optimizer.zero_grad()
        loss = sum(((p - 0.5) * (p - 0.5).conj()).real.sum() * (i + 1) for i, p in enumerate(self.parameters))
        loss.backward()
        return loss

    def run(self, steps):
        for step in steps:
            if self.info.step_requires_closure:
                self.optimizer.step(self._closure)
            else:
                self._set_gradients(step)
                self.optimizer.step()
        return self

    def result(self):
        """Parameters and state, on the CPU."""
        state = self.optimizer.state_dict()["state"]
        return tree_map_only(torch.Tensor, lambda t: t.detach().cpu(), [list(self.parameters), state])

    def continued_by(self, optimizer):
        """The same parameters and state so far, in another optimizer."""
        other = copy.copy(self)
        other.parameters = [torch.nn.Parameter(p.detach().clone()) for p in self.parameters]
        other.optimizer = optimizer(other.parameters)
        return other


def assert_agrees(info, dtype, kwargs):
    def run(device, dtype=dtype):
        kwargs_there = kwargs if device == "metal" else for_the_cpu(kwargs)
        parameters, state = Training(info, device, dtype, kwargs_there).run(range(STEPS)).result()
        if info.name == "Muon" and dtype == torch.float64:  # its steps are computed in bfloat16 whatever the dtype
            parameters = [p.float() for p in parameters]
        return parameters if info.name == "LBFGS" else [parameters, state]  # its state is of another search for the same

    assert_as_exact_as_the_cpu(run("metal"), run("cpu"), lambda: run("cpu", WIDER.get(dtype, dtype)))


class TestOptimizersDatabase(TestCase):
    def check(self, test, info, dtype, function, *arguments) -> None:
        settle(self, test, info.name, dtype_name(dtype), error_of(function, *arguments))

    def check_implementation(self, implementation, info, dtype):
        def agree():
            for kwargs in configurations(info, implementation):
                try:
                    assert_agrees(info, dtype, kwargs)
                except Exception as error:
                    raise AssertionError(f"{kwargs}: {error}") from error

        self.check(implementation, info, dtype, agree)

    @chosen_optims(DENSE, EVERY_DTYPE)
    def test_single_tensor(self, device, dtype, optim_info):
        self.check_implementation("single", optim_info, dtype)

    @chosen_optims([info for info in DENSE if "foreach" in info.supported_impls], EVERY_DTYPE)
    def test_foreach(self, device, dtype, optim_info):
        self.check_implementation("foreach", optim_info, dtype)

    @chosen_optims(FUSED, EVERY_DTYPE[:4])
    def test_fused(self, device, dtype, optim_info):
        self.check_implementation("fused", optim_info, dtype)

    @chosen_optims(FUSED)
    def test_fused_calls_the_fused_operator_alone(self, device, dtype, optim_info):
        training = Training(optim_info, device, dtype, {"fused": True}).run([0])
        training._set_gradients(1)
        torch_metal.reset_route_counts()
        torch_metal.record_operators(True)
        training.optimizer.step()
        torch_metal.record_operators(False)
        called = set(torch_metal.operator_routes())
        assert called <= {f"_fused_{optim_info.name.lower()}_", "_foreach_add_.Scalar"}, called

    @chosen_optims(FUSED)
    def test_infinite_gradients_skip_a_fused_step(self, device, dtype, optim_info):
        """With GradScaler, which leaves unscaling and the decision to the kernel."""
        results = []
        for place in ("cpu", device):
            training = Training(optim_info, place, dtype, {"fused": True})
            scaler = torch.amp.GradScaler(place.split(":")[0], init_scale=4.0)
            for step, poison in enumerate((0.0, float("inf"), 0.0)):
                training._set_gradients(step)
                training.parameters[1].grad[0, 0] += poison
                scaler.scale(torch.ones((), device=place))
                scaler.step(training.optimizer)
                scaler.update()
            results.append([training.result(), scaler.get_scale()])
        torch.testing.assert_close(results[1], results[0])

    @chosen_optims([info for info in DENSE if "differentiable" in info.supported_impls])
    def test_differentiable(self, device, dtype, optim_info):
        """Gradients by way of a step, of the parameters before it and of the gradients in it."""

        def by_way_of_a_step(place, kwargs):
            start = sample(4, 3, seed=1).to(place).requires_grad_()
            slope = sample(4, 3, seed=2).to(place).requires_grad_()
            p = start.clone()
            optimizer = optim_info.optim_cls([p], differentiable=True, **kwargs)
            p.grad = slope.clone()
            optimizer.step()
            gradients = torch.autograd.grad(p.square().sum(), [start, slope], materialize_grads=True)
            return [g.cpu() for g in gradients]

        def agree():
            for given in optim_info.optim_inputs_func(device):
                if not given.kwargs.get("capturable"):
                    torch.testing.assert_close(*(by_way_of_a_step(place, given.kwargs) for place in (device, "cpu")))

        self.check("differentiable", optim_info, dtype, agree)

    @chosen_optims(DENSE)
    def test_state_survives(self, device, dtype, optim_info):
        """An optimizer that is saved, copied or moved from the CPU goes on as the one it came from."""

        def agree():
            for implementation in ("single", *set(optim_info.supported_impls) - {"differentiable"}):
                kwargs = next(iter(configurations(optim_info, implementation)))
                self.assert_state_survives(optim_info, device, dtype, kwargs)

        self.check("state", optim_info, dtype, agree)

    def assert_state_survives(self, info, device, dtype, kwargs):
        half, rest = range(2), range(2, STEPS)
        saved = Training(info, device, dtype, kwargs).run(half)

        def loading(state):
            def make(parameters):
                optimizer = info.optim_cls(parameters, **kwargs)
                optimizer.load_state_dict(state)
                return optimizer

            return make

        def with_parameters_of(optimizer):
            def make(parameters):
                for p, kept in zip(parameters, (p for group in optimizer.param_groups for p in group["params"])):
                    kept.data = p.data
                parameters[:] = [p for group in optimizer.param_groups for p in group["params"]]
                return optimizer

            return make

        state = saved.optimizer.state_dict()
        cpu_state = Training(info, "cpu", dtype, for_the_cpu(kwargs)).run(half).optimizer.state_dict()
        cpu_state["param_groups"] = copy.deepcopy(state["param_groups"])
        file = io.BytesIO()
        torch.save(state, file)
        file.seek(0)
        continued = {
            "state_dict": saved.continued_by(loading(copy.deepcopy(state))),
            "torch.save": saved.continued_by(loading(torch.load(file))),
            "torch.load to the CPU": saved.continued_by(loading(tree_map_only(torch.Tensor, lambda t: t.cpu().clone(), state))),
        }
        if info.name != "LBFGS":  # whose copies are not whole
            copies = {"deepcopy": copy.deepcopy(saved.optimizer), "pickle": pickle.loads(pickle.dumps(saved.optimizer))}
            continued |= {name: saved.continued_by(with_parameters_of(copied)) for name, copied in copies.items()}
        from_the_cpu = saved.continued_by(loading(cpu_state))
        expected = saved.run(rest).result()
        for name, training in continued.items():
            torch.testing.assert_close(training.run(rest).result(), expected, rtol=0, atol=0, msg=lambda m: f'{name}, {kwargs}: {m}')
            assert all(p.device.type == "metal" for p in training.parameters)
        torch.testing.assert_close(from_the_cpu.run(rest).result()[0], expected[0], rtol=1e-5, atol=1e-5)

    @chosen_optims([info for info in optim_db if info.supports_sparse or info.only_supports_sparse_grads])
    def test_sparse_gradients(self, device, dtype, optim_info):
        """Of an embedding, of which each step sees some rows, one of them twice."""

        def run(place):
            kwargs, _ = optim_info.metadata_for_sparse
            weight = torch.nn.Parameter(sample(6, 3).to(place))
            optimizer = optim_info.optim_cls([weight], **kwargs)
            for rows in ([0, 2, 2], [5, 0], [1]):
                optimizer.zero_grad()
                picked = torch.nn.functional.embedding(torch.tensor(rows, device=place), weight, sparse=True)
                picked.square().sum().backward()
                optimizer.step()
            return weight.detach().cpu()

        self.check("sparse", optim_info, dtype, lambda: torch.testing.assert_close(run(device), run("cpu")))

    @chosen_optims([info for info in DENSE if info.supports_param_groups])
    def test_groups_and_schedulers(self, device, dtype, optim_info):
        """Parameter groups of different rates, one of them on the CPU if the optimizer takes that, and schedulers."""

        def run(place, make_schedulers):
            shapes = [(4, 3), (3, 5), (2, 2)]
            last = "cpu" if optim_info.supports_multiple_devices else place
            parameters = [
                torch.nn.Parameter(sample(*s, seed=i).to(d)) for i, (s, d) in enumerate(zip(shapes, [place, place, last]))
            ]
            optimizer = optim_info.optim_cls([{"params": parameters[:1], "lr": 0.05}, {"params": parameters[1:]}], lr=0.01)
            schedulers = [make(optimizer) for make in make_schedulers]
            for step in range(STEPS):
                for i, p in enumerate(parameters):
                    p.grad = sample(*p.shape, seed=10 * step + i).to(p.device)
                optimizer.step()
                for scheduler in schedulers:
                    plateau = isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
                    scheduler.step(parameters[0].square().sum()) if plateau else scheduler.step()
            return [p.detach().cpu() for p in parameters]

        def agree():
            for make_schedulers in optim_info.scheduler_inputs:
                torch.testing.assert_close(run(device, make_schedulers), run("cpu", make_schedulers), rtol=2e-5, atol=2e-6)

        self.check("groups", optim_info, dtype, agree)

    @chosen_optims(DENSE)
    def test_errors(self, device, dtype, optim_info):
        """What the database says to be wrong is refused, also with parameters on metal."""
        for place in ("cpu", device):
            for given in optim_info.optim_error_inputs_func(place, dtype):
                wrong, made = given.optimizer_error_input, {}
                parameters = sample(2, 2).to(device) if wrong.params is None else wrong.params
                parameters = tree_map_only(
                    torch.Tensor, lambda t: made.setdefault(id(t), _with_gradient_on(t, device)), parameters
                )
                if wrong.params is None:
                    parameters = [parameters]
                with self.subTest(wrong.desc), warnings.catch_warnings():
                    warnings.simplefilter("error")
                    with pytest.raises(given.error_type, match=given.error_regex):
                        optimizer = optim_info.optim_cls(parameters, **wrong.kwargs)
                        assert given.error_on == OptimizerErrorEnum.STEP_ERROR
                        optimizer.step()


def _with_gradient_on(t, device):
    moved = t.detach().to(device).requires_grad_(t.requires_grad)
    if isinstance(t, torch.nn.Parameter):
        moved = torch.nn.Parameter(moved)
    if t.grad is not None:
        moved.grad = t.grad.to(device)
    return moved


instantiate_device_type_tests(TestOptimizersDatabase, globals(), only_for="metal")
