"""The random number generator: seeds, states, forks."""

import pytest
import torch


def draw(generator=None):
    return torch.rand(1000, device="metal", generator=generator).cpu()


def test_manual_seed_repeats_numbers():
    torch.manual_seed(5)
    a = draw()
    torch.manual_seed(5)
    b, c = draw(), draw()
    assert torch.equal(a, b) and not torch.equal(b, c)
    torch.metal.manual_seed(5)
    assert torch.equal(draw(), a)
    assert torch.metal.initial_seed() == 5


def test_generators_are_independent():
    g, h = torch.Generator("metal").manual_seed(1), torch.Generator("metal").manual_seed(1)
    assert g.device == torch.device("metal:0")
    a = draw(g)
    draw()
    assert torch.equal(draw(h), a)
    assert g.initial_seed() == 1
    assert g.seed() == g.initial_seed()


def test_state_saves_and_restores():
    torch.manual_seed(3)
    draw()
    state = torch.metal.get_rng_state()
    a = draw()
    torch.metal.set_rng_state(state)
    assert torch.equal(draw(), a)
    g = torch.Generator("metal")
    g.set_state(state)
    assert torch.equal(draw(g), a)
    assert torch.equal(g.clone_state().get_state() if hasattr(g, "clone_state") else g.get_state(), g.get_state())


def test_offset_moves_on_and_can_be_set():
    g = torch.Generator("metal").manual_seed(1)
    assert g.get_offset() == 0
    draw(g)
    assert g.get_offset() > 0
    g.set_offset(0)
    assert torch.equal(draw(g), draw(torch.Generator("metal").manual_seed(1)))


def test_a_state_of_wrong_size_is_refused():
    with pytest.raises(RuntimeError, match="wrong size"):
        torch.Generator("metal").set_state(torch.zeros(3, dtype=torch.uint8))


def test_fork_rng_leaves_the_state_as_it_was():
    state = torch.metal.get_rng_state()
    with torch.random.fork_rng(device_type="metal"):
        draw()
    assert torch.equal(torch.metal.get_rng_state(), state)


def test_a_generator_of_another_device_is_refused():
    with pytest.raises(RuntimeError, match="Expected a 'metal' device type for generator but found 'cpu'"):
        draw(torch.Generator().manual_seed(1))
