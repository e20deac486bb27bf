"""`plateau.torch` against a dense Hessian, finite steps, and the native path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import plateau
from conftest import assert_same_answer, samples

torch = pytest.importorskip("torch")
import plateau.torch  # noqa: E402

nn = torch.nn
pytestmark = pytest.mark.torch

entropy = nn.CrossEntropyLoss(reduction="none")


def mlp(*, dropout: bool = False) -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Linear(6, 5), nn.Tanh(), nn.Dropout(0.5 if dropout else 0), nn.Linear(5, 3)]
    return nn.Sequential(*layers).double().eval()


@pytest.fixture
def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(150, 6, generator=generator).double(), torch.randint(0, 3, (150,), generator=generator)


def flat_losses(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """Losses (N,) of flat weights (p,), without the package."""

    def at(w: torch.Tensor) -> torch.Tensor:
        a, b, c, d = w.split([30, 5, 15, 3])
        return entropy(torch.tanh(x @ a.reshape(5, 6).T + b) @ c.reshape(3, 5).T + d, y)

    return at


def test_everything_is_what_dense_derivatives_give(data: tuple[torch.Tensor, torch.Tensor]) -> None:
    model = mlp()
    at = flat_losses(model, *data)
    w = torch.nn.utils.parameters_to_vector(model.parameters()).detach()
    # Batches of 64, 64 and 22: a mean of their means would be wrong.
    found = plateau.torch.losses(
        model, entropy, data, dim=4, sigma=0.3, draws=12, derivatives=True, batch_size=64, tolerance=1e-10, progress=False
    )
    hessian = torch.autograd.functional.hessian(lambda w: at(w).mean(), w).numpy()
    values, vectors = np.linalg.eigh(hessian)
    np.testing.assert_allclose(found.eigenvalues, values[::-1][:4], rtol=1e-9)
    cosines = np.linalg.svd(found.directions.T @ vectors[:, ::-1][:, :4], compute_uv=False)
    np.testing.assert_allclose(cosines, 1, atol=1e-9)
    assert found.residuals is not None
    assert found.residuals.max() < 1e-8
    np.testing.assert_array_equal(found.weights, w.numpy())
    assert found.parameters == (("0.weight", (5, 6)), ("0.bias", (5,)), ("3.weight", (3, 5)), ("3.bias", (3,)))
    points = torch.from_numpy(found.weights + found.theta @ found.directions.T)
    np.testing.assert_allclose(found.losses, torch.stack([at(p) for p in points]).numpy(), rtol=1e-12, atol=1e-14)
    assert found.theta.std() == pytest.approx(0.3, rel=0.4)
    jacobian = torch.autograd.functional.jacobian(at, w).numpy()
    np.testing.assert_allclose(found.values, at(w).numpy(), rtol=1e-12)
    np.testing.assert_allclose(found.slopes, jacobian @ found.directions, atol=1e-12)
    for i in (0, 63, 64, 149):
        own = torch.autograd.functional.hessian(lambda w, i=i: at(w)[i], w).numpy()
        np.testing.assert_allclose(found.curvatures[i], found.directions.T @ own @ found.directions, atol=1e-12)


def test_the_native_network_gives_the_same(native: plateau.Experiment) -> None:
    x, y = samples(native)
    torch_model = nn.Sequential(nn.Linear(64, 24), nn.Tanh(), nn.Linear(24, 10)).eval()
    weights = np.load(native.path / "train" / "weights.npz")
    names = {"0.weight": "W1", "0.bias": "b1", "2.weight": "W2", "2.bias": "b2"}
    torch_model.load_state_dict({name: torch.from_numpy(weights[key].astype(np.float32)) for name, key in names.items()})
    basis, theta = native["eigen"]["basis"].astype(float).T, native["montecarlo"]["hessian-d4/theta"]
    data = (torch.from_numpy(x.astype(np.float32)), torch.from_numpy(y))
    found = plateau.torch.losses(
        torch_model, entropy, data, sigma=0.5, directions=basis, theta=theta, derivatives=True, progress=False
    )
    assert found.losses.dtype == np.float32
    np.testing.assert_array_equal(found.weights, native["train"]["w_star"])
    answer = plateau.sufficient(found, tolerances=[1e-3, 1e-6], relative_tolerances=[1e-3])
    assert_same_answer(answer, native.sufficient())
    for name in ("values", "slopes", "curvatures"):
        own = native["eigen"][{"values": "sample_loss", "slopes": "sample_slope", "curvatures": "sample_curvature"}[name]]
        np.testing.assert_allclose(getattr(found, name), own, atol=2e-5 * np.abs(own).max())
    for name, curve in native.sufficient().curves.items():
        np.testing.assert_allclose(answer.curves[name], curve, rtol=1e-3)
    # And with directions of its own: the same subspace, so V over other draws is the same within its error.
    top = plateau.torch.directions(torch_model, entropy, data, dim=4, progress=False)
    np.testing.assert_allclose(top.eigenvalues, native["eigen"]["eigenvalues"], rtol=1e-4)
    np.testing.assert_allclose(np.linalg.svd(top.vectors.T @ basis, compute_uv=False), 1, atol=1e-4)
    drawn = plateau.torch.losses(torch_model, entropy, data, sigma=0.5, directions=top, draws=400, progress=False)
    other = plateau.sufficient(drawn)
    error = np.hypot(other.variance_standard_error, native.sufficient().variance_standard_error)
    assert abs(other.variance - native.sufficient().variance) < 3 * error


def state(model: nn.Module) -> list[bytes]:
    return [t.detach().numpy().tobytes() for t in model.state_dict().values()]


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_as_before(data: tuple[torch.Tensor, torch.Tensor], fails: bool) -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3)).double()
    model(data[0])  # running averages that are no round numbers
    model.eval()
    model[0].train()  # a mode of its own, which does no harm
    before, modes, random = state(model), [m.training for m in model.modules()], torch.get_rng_state()
    calls = 0

    def loss(f: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        model[1].running_mean += 0.0  # a buffer that is written to
        if fails and calls == 30:
            raise KeyboardInterrupt
        return entropy(f, y)

    def run() -> None:
        plateau.torch.losses(model, loss, data, dim=2, draws=40, directions="random", progress=False)

    if fails:
        with pytest.raises(KeyboardInterrupt):
            run()
    else:
        run()
    assert calls >= 30
    assert state(model) == before
    assert [m.training for m in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_frozen_parameters_stay(data: tuple[torch.Tensor, torch.Tensor]) -> None:
    model = mlp()
    model[0].requires_grad_(False)
    found = plateau.torch.losses(model, entropy, data, dim=3, draws=5, progress=False)
    assert [name for name, _ in found.parameters] == ["3.weight", "3.bias"]
    assert found.directions.shape == (18, 3)
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="no parameter of the model requires a gradient"):
        plateau.torch.losses(model, entropy, data, progress=False)


def test_what_couples_or_blurs_samples_is_refused(data: tuple[torch.Tensor, torch.Tensor]) -> None:
    def said(model: nn.Module, loss: Callable[..., torch.Tensor] = entropy, given: object = data) -> str:
        before = state(model)
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            plateau.torch.losses(model, loss, given, dim=2, draws=4, progress=False)
        assert state(model) == before
        return str(caught.value)

    assert "2 (Dropout) is in training mode" in said(mlp(dropout=True).train())
    assert "Call model.eval() first" in said(mlp(dropout=True).train())
    norm = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3)).double()
    assert "1 (BatchNorm1d) is in training mode" in said(norm)
    bare = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5, track_running_stats=False), nn.Linear(5, 3)).double().eval()
    assert "1 (BatchNorm1d) has no running statistics" in said(bare)
    attention = nn.MultiheadAttention(6, 2, dropout=0.1).double()
    assert "the model (MultiheadAttention) is in training mode" in said(attention)
    assert "self_attn (MultiheadAttention)" in said(nn.TransformerEncoderLayer(6, 2, 8, dropout=0.2).double())
    # What no list of modules knows.
    over_batch = said(mlp(), lambda f, y: entropy(f - f.mean(0), y))
    assert "depends on its place in the batch or on the samples beside it" in over_batch
    assert "the loss is random" in said(mlp(), lambda f, y: entropy(f + 0.1 * torch.randn_like(f), y))
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*data), 32, shuffle=True)
    assert "shuffle=False is needed" in said(mlp(), given=loader)

    class Augmented(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(data[0])

        def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
            return data[0][i] + 0.1 * torch.randn(6), data[1][i]

    assert "shuffled or augmented at random" in said(mlp(), given=Augmented())
    for normed in (nn.utils.spectral_norm, nn.utils.parametrizations.spectral_norm):
        kept = nn.Sequential(normed(nn.Linear(6, 5)), nn.Tanh(), nn.Linear(5, 3)).double()
        for _ in range(300):
            kept(data[0])  # u has converged: two passes at w* are the same
        assert "the model keeps something of each pass, such as spectral_norm in training mode" in said(kept)
        plateau.torch.losses(kept.eval(), entropy, data, dim=2, draws=4, directions="random", progress=False)
    assert "not a generator" in said(mlp(), given=iter([data]))


def test_a_loss_that_is_not_one_number_per_sample_is_refused(data: tuple[torch.Tensor, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match=r'has shape \(\); \(150,\) is needed, one per sample: .*reduction="none"'):
        plateau.torch.losses(mlp(), nn.CrossEntropyLoss(), data, progress=False)
    with pytest.raises(ValueError, match=r"has shape \(150, 3\).*reshape"):
        plateau.torch.losses(mlp(), lambda f, y: f**2, data, progress=False)
    with pytest.raises(ValueError, match="x and y have 100 and 150 samples"):
        plateau.torch.losses(mlp(), entropy, (data[0][:100], data[1]), progress=False)


def test_a_loss_without_a_gradient_has_no_derivatives(data: tuple[torch.Tensor, torch.Tensor]) -> None:
    def losses(**options: object) -> plateau.Losses:
        return plateau.torch.losses(mlp(), lambda f, y: entropy(f.detach(), y), data, dim=2, draws=4, progress=False, **options)

    for options in ({}, {"directions": "random", "derivatives": True}):
        with pytest.raises(ValueError, match=r"does not depend on the parameters through differentiable .*derivatives=False"):
            losses(**options)
    assert losses(directions="random").losses.shape == (4, 150)


def test_arrays_of_any_order_in_memory_are_samples(data: tuple[torch.Tensor, torch.Tensor]) -> None:
    def of(*given: object) -> np.ndarray:
        return plateau.torch.losses(mlp(), entropy, given, dim=2, draws=4, directions="random", progress=False).losses

    x, y = (part.numpy() for part in data)
    backwards = np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]
    for given in ((x.astype(">f8"), y.astype(">i8")), (backwards, y), (np.asfortranarray(x), y)):
        np.testing.assert_allclose(of(*given), of(x, y), rtol=1e-12)
    with pytest.raises(TypeError, match=r"x is torch\.float32, the weights are torch\.float64: convert it, x\.to"):
        of(x.astype(np.float32), y)


def test_weights_of_a_short_type_do_not_follow_short_draws(data: tuple[torch.Tensor, torch.Tensor]) -> None:
    model = mlp().bfloat16()
    given = (data[0].bfloat16(), data[1])

    def run(sigma: float) -> None:
        plateau.torch.losses(
            model,
            lambda f, y: entropy(f.float(), y),
            given,
            dim=2,
            sigma=sigma,
            draws=64,
            directions="random",
            progress=False,
        )

    run(0.1)
    with pytest.warns(UserWarning, match=r"the weights are bfloat16: .*σ = 0\.002.*model\.float\(\)"):
        run(0.002)


def test_wrong_samples_and_weights_are_named(data: tuple[torch.Tensor, torch.Tensor]) -> None:
    x, y = data

    def said(
        given: object = data, loss: Callable[..., torch.Tensor] = entropy, model: nn.Module | None = None, **options: object
    ) -> str:
        with pytest.raises((ValueError, TypeError)) as caught:
            plateau.torch.losses(mlp() if model is None else model, loss, given, dim=2, draws=4, progress=False, **options)
        return str(caught.value)

    broken = x.clone()
    broken[[7, 149], 3] = np.nan
    for batches in ((broken, y), [(broken[:90], y[:90]), (broken[90:], y[90:])]):
        assert said(batches).startswith("the loss of sample 7 at w* is nan (2 of 150 losses are not finite): look at x and y")
    bad = mlp()
    bad[0].bias.data[2] = np.inf
    assert said(model=bad).startswith("parameter 0.bias[2] is inf (1 of 5 entries are not finite)")
    assert said(batch_size=-3) == "batch_size=-3; at least 1 is needed"
    assert said((x.tolist(), y.tolist())).endswith("All samples at once are a tuple of two arrays: (np.asarray(x), np.asarray(y))")
    assert said((x[:0], y[:0])) == "x and y have no samples"
    assert said((np.ma.masked_greater(x.numpy(), 1), y)).startswith("x: ")

    def squared(f: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (f[:, 0] - y) ** 2

    assert "y has shape (150, 1)" in said((x, y[:, None]), squared)
    assert "flatten them, outputs.reshape(-1)" in said((x, y), lambda f, y: (f[:, :1] - y) ** 2)


def test_every_copy_of_a_repeated_eigenvalue_is_a_direction() -> None:
    """Least squares with ten outputs: the Hessian is (XᵀX / N) ⊗ I."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 30)) * np.linspace(3, 1, 30)
    data = (torch.from_numpy(x), torch.from_numpy(rng.normal(size=(800, 10))))
    for dtype in (torch.float32, torch.float64):
        model = nn.Linear(30, 10, bias=False).to(dtype)
        given = tuple(part.to(dtype) for part in data)
        found = plateau.torch.directions(model, lambda f, y: 0.5 * ((f - y) ** 2).sum(1), given, dim=10, progress=False)
        np.testing.assert_allclose(found.eigenvalues, np.linalg.eigvalsh(x.T @ x / 800)[-1], rtol=1e-5)


def test_all_ways_to_give_samples_agree(data: tuple[torch.Tensor, torch.Tensor], tmp_path: Path) -> None:
    def of(given: object, **more: object) -> plateau.Losses:
        return plateau.torch.losses(mlp(), entropy, given, dim=2, draws=6, directions="random", progress=False, **more)

    pair = of(data)
    dataset = torch.utils.data.TensorDataset(*data)
    for given in (
        tuple(t.numpy() for t in data),
        dataset,
        torch.utils.data.DataLoader(dataset, 40),
        [(data[0][:90], data[1][:90]), (data[0][90:], data[1][90:])],
    ):
        np.testing.assert_allclose(of(given).losses, pair.losses, rtol=1e-12)
    on_disk = of(data, out=tmp_path / "losses.npy")
    assert isinstance(on_disk.losses, np.memmap)
    np.testing.assert_array_equal(np.load(tmp_path / "losses.npy"), pair.losses)
    answers = [plateau.sufficient(losses, tolerances=[1e-4]) for losses in (on_disk, pair, tmp_path / "losses.npy")]
    assert answers[0].sizes == answers[1].sizes == answers[2].sizes


def test_a_file_of_losses_is_replaced_at_the_end(data: tuple[torch.Tensor, torch.Tensor], tmp_path: Path) -> None:
    out, calls = tmp_path / "losses.npy", 0

    def loss(f: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == stop:
            raise KeyboardInterrupt
        return entropy(f, y)

    def run(place: Path = out, **options: object) -> plateau.Losses:
        return plateau.torch.losses(mlp(), loss, data, dim=2, directions="random", out=place, progress=False, **options)

    stop = 0
    first = run(draws=40)
    kept, answer = np.array(first.losses), plateau.sufficient(first)
    stop = calls + 20
    with pytest.raises(KeyboardInterrupt):
        run(draws=40, sigma=2.0)
    np.testing.assert_array_equal(np.load(out), kept)
    second = run(draws=4, sigma=2.0)
    np.testing.assert_array_equal(np.load(out), second.losses)
    # The map of the file that was there is what it was, and not taken for the new file.
    np.testing.assert_array_equal(first.losses, kept)
    assert plateau.sufficient(first).variance == answer.variance
    assert [file.name for file in tmp_path.iterdir()] == ["losses.npy"]
    calls = 0
    for place, words in ((tmp_path / "none" / "losses.npy", "does not exist or cannot be written"), (tmp_path, "is a folder")):
        with pytest.raises(ValueError, match=words):
            run(place, draws=4)
    assert calls == 0


class Recurrent(nn.Module):
    """The last state of a recurrent layer, which reaches its parameters by a list of its own."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.cell, self.head = getattr(nn, kind)(6, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.cell(x)[0][:, -1])


class Listed(nn.Module):
    """A parameter in a list of the user's."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 5), nn.Linear(5, 3)
        self.unused = nn.Parameter(torch.ones(2))
        self.weights = [self.first.weight]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(x[:, 0] @ self.weights[0].T + self.first.bias))


def first_of(*layers: nn.Module) -> nn.Module:
    """Layers on the first of the five vectors of a sample."""
    return nn.Sequential(nn.Flatten(), nn.Linear(30, 6), *layers, nn.Linear(6, 3))


def twice(layer: nn.Module) -> nn.Module:
    """One layer in two places."""
    return first_of(layer, nn.Tanh(), layer)


@pytest.mark.parametrize(
    ("make", "decay"),
    [
        pytest.param(lambda: first_of(nn.LayerNorm(6), nn.GELU()), 0, id="layer norm"),
        pytest.param(
            lambda: first_of(nn.Unflatten(1, (2, 3)), nn.InstanceNorm1d(2, affine=True), nn.Flatten(), nn.Tanh()),
            0,
            id="instance norm",
        ),
        pytest.param(lambda: Recurrent("LSTM"), 0, id="LSTM"),
        pytest.param(lambda: Recurrent("GRU"), 0, id="GRU"),
        pytest.param(lambda: Recurrent("RNN"), 0, id="RNN"),
        pytest.param(
            lambda: nn.Sequential(nn.TransformerEncoderLayer(6, 2, 8, batch_first=True), nn.Flatten(), nn.Linear(30, 3)),
            0,
            id="transformer",
        ),
        pytest.param(Listed, 0, id="parameter in a list"),
        pytest.param(lambda: twice(nn.Linear(6, 6)), 0, id="tied"),
        pytest.param(lambda: first_of(nn.Tanh()), 0.05, id="decay in the loss"),
    ],
)
def test_slopes_and_curvatures_are_those_of_the_losses(make: Callable[[], nn.Module], decay: float) -> None:
    """Against central differences, which know no derivative."""
    torch.manual_seed(7)
    model = make().double().eval()
    data = (torch.randn(20, 5, 6).double(), torch.randint(0, 3, (20,)))
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)

    def loss(f: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return entropy(f, y) + decay * sum((p**2).sum() for p in model.parameters())

    found = plateau.torch.losses(
        model, loss, data, dim=3, draws=2, directions="random", derivatives=True, batch_size=15, progress=False
    )
    step = 1e-4 * np.eye(3)

    def at(*thetas: np.ndarray) -> np.ndarray:
        given = {"directions": found.directions, "theta": np.array(thetas), "batch_size": 15, "progress": False}
        return plateau.torch.losses(model, loss, data, **given).losses

    center, up, down = at(0 * step[0], step[0])[0], at(*step), at(*-step)
    assert found.slopes is not None
    assert found.curvatures is not None
    np.testing.assert_allclose(found.values, center, rtol=1e-12)
    np.testing.assert_allclose(found.slopes, (up - down).T / 2e-4, atol=1e-6 * np.abs(found.slopes).max())
    limit = 1e-5 * np.abs(found.curvatures).max()
    np.testing.assert_allclose(np.einsum("njj->nj", found.curvatures), (up + down - 2 * center).T / 1e-8, atol=limit)
    pair = step[0] + step[1]
    crossed = (at(pair, -pair).sum(axis=0) - at(step[0] - step[1], step[1] - step[0]).sum(axis=0)) / 4e-8
    np.testing.assert_allclose(found.curvatures[:, 0, 1], crossed, atol=limit)
    np.testing.assert_array_equal(found.curvatures, found.curvatures.swapaxes(1, 2))


def test_a_second_derivative_that_is_not_symmetric_is_named(data: tuple[torch.Tensor, torch.Tensor]) -> None:
    """That of the fused weight norm of PyTorch."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.utils.weight_norm(nn.Linear(6, 8)), nn.Tanh(), nn.Linear(8, 3)).double().eval()
    with pytest.warns(UserWarning, match=r"far from tolerance=1e-08, .* with residual .* is not symmetric.*raise tolerance"):
        plateau.torch.directions(model, entropy, data, dim=3, tolerance=1e-8, progress=False)
    with pytest.raises(RuntimeError, match=r"mean curvatures .* and a Hessian-vector product differ by .*derivatives=False"):
        plateau.torch.losses(model, entropy, data, dim=3, draws=4, directions="random", derivatives=True, progress=False)


def test_a_loss_that_is_linear_in_the_weights_is_flat(data: tuple[torch.Tensor, torch.Tensor]) -> None:
    model = nn.Linear(6, 1).double()
    with pytest.warns(UserWarning, match="2 of 2 eigenvalues are not above their residuals"):
        found = plateau.torch.losses(model, lambda f, y: f[:, 0] * y, data, dim=2, draws=4, derivatives=True, progress=False)
    np.testing.assert_array_equal(found.curvatures, 0)
    inputs = np.column_stack([data[0], np.ones(150)]) * data[1].numpy()[:, None]
    np.testing.assert_allclose(found.slopes, inputs @ found.directions, atol=1e-12)


def test_batches_do_not_change_the_draws(data: tuple[torch.Tensor, torch.Tensor]) -> None:
    def found(size: int) -> plateau.Losses:
        model = mlp().float()
        given = (data[0].float(), data[1])
        return plateau.torch.losses(model, entropy, given, dim=4, draws=4, batch_size=size, tolerance=1e-4, progress=False)

    all_at_once = found(150)
    for size in (64, 50, 31, 7):
        np.testing.assert_allclose((found(size).directions * all_at_once.directions).sum(axis=0), 1, atol=1e-3)


def test_tied_weights_and_named_inputs() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(7, 4)
            self.head = nn.Linear(4, 7, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, token: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
            return self.head(torch.tanh(self.embed(token) + shift))

    torch.manual_seed(5)
    model = Tied().double().eval()
    x, y = {"token": torch.randint(0, 7, (40,)), "shift": torch.randn(40, 4).double()}, torch.randint(0, 7, (40,))
    found = plateau.torch.losses(model, entropy, (x, y), dim=2, draws=3, derivatives=True, progress=False)
    assert found.parameters == (("embed.weight", (7, 4)),)

    def at(w: torch.Tensor) -> torch.Tensor:
        table = w.reshape(7, 4)
        return entropy(torch.tanh(table[x["token"]] + x["shift"]) @ table.T, y)

    w = torch.from_numpy(found.weights)
    np.testing.assert_allclose(found.losses[1], at(w + torch.from_numpy(found.directions @ found.theta[1])), rtol=1e-12)
    jacobian = torch.autograd.functional.jacobian(at, w).numpy()
    np.testing.assert_allclose(found.slopes, jacobian @ found.directions, atol=1e-12)
    positional = plateau.torch.losses(model, entropy, ((x["token"], x["shift"]), y), dim=2, draws=3, progress=False)
    np.testing.assert_allclose(positional.losses, found.losses, rtol=1e-9)


def test_options_that_cannot_be_are_refused(data: tuple[torch.Tensor, torch.Tensor]) -> None:
    def said(**options: object) -> str:
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            plateau.torch.losses(mlp(), entropy, data, progress=False, **options)
        return str(caught.value)

    assert "sigma=0" in said(sigma=0)
    assert "draws=1;" in said(draws=1)
    assert "dim=99, but the model has 53 parameters" in said(dim=99)
    assert "(53, d) is needed, a column for each; transpose them" in said(directions=np.eye(53)[:4])
    assert "not orthonormal: PᵀP is off by 3" in said(directions=2 * np.eye(53)[:, :4])
    assert 'directions=\'top\'; "hessian", "random" or an array' in said(directions="top")
    assert "theta has shape (5, 3); (T, 10) is needed" in said(theta=np.zeros((5, 3)))


def test_the_bar_is_a_line_on_stderr(data: tuple[torch.Tensor, torch.Tensor], capfd: pytest.CaptureFixture[str]) -> None:
    plateau.torch.losses(mlp(), entropy, data, dim=2, draws=4, directions="random")
    assert "losses: draws" in capfd.readouterr().err
    plateau.torch.losses(mlp(), entropy, data, dim=2, draws=4, directions="random", progress=False)
    assert capfd.readouterr().err == ""
