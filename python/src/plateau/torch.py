"""Losses of a PyTorch model around its trained weights: directions, draws and the matrix that `plateau.sufficient` takes.

The model, its loss function and its samples are yours: any `nn.Module`, any loss of one number per sample. Weights, buffers, modes
and random state of the model are those before the call, after it and after an error.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

try:
    import torch
except ImportError as error:  # pragma: no cover
    raise ImportError(f"plateau.torch needs PyTorch, which cannot be imported ({error}): pip install torch") from error
from torch import Tensor, nn

from ._checks import check_alone, check_pair, check_shape, finite, finite_losses, integer, native, refuse_masked
from ._directions import Directions
from ._draw import DirectionsOption, Model, Options, draw, loss_type, rounding, top, types_of
from ._losses import Losses
from ._progress import Progress
from ._result import Floats

__all__ = ["directions", "losses"]

LossFunction = Callable[[Any, Any], Tensor]

_ADVICE = "Call model.eval() first, and see that nothing in forward() or in the loss is random or averages over the batch."


def losses(
    model: nn.Module,
    loss: LossFunction,
    data: Any,
    *,
    dim: int = 10,
    sigma: float | None = None,
    draws: int = 1024,
    seed: int = 0,
    directions: DirectionsOption = "hessian",
    theta: npt.ArrayLike | None = None,
    derivatives: bool = False,
    batch_size: int = 1024,
    tolerance: float = 1e-3,
    out: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Losses:
    """ℓ_i(w* + Pθ_t) of all samples at all draws, (T, N).

    w* is the parameters of `model` that require a gradient, in the order of `model.parameters()`; freeze the others with
    `requires_grad_(False)`. Each draw takes one forward pass over the samples.

    Args:
        model: in evaluation mode, with the trained weights.
        loss: `loss(model(x), y)` has one loss per sample, shape (B,), such as `nn.CrossEntropyLoss(reduction="none")`.
        data: a pair (x, y) of all samples, arrays or tensors with the samples along the first axis, in the order in which they
            arrive; or a `Dataset`; or batches (x, y) that come again in the same order, such as a `DataLoader` that does not
            shuffle. A tuple as x is given to the model as positional arguments, a dict by name.
        dim: d, the number of directions.
        sigma: σ, standard deviation of each coordinate of θ, parameter units. None: 1, or that of `theta`.
        draws: T.
        seed: of draws and directions.
        directions: "hessian": the top eigenvectors at w*; "random": orthonormal; or P (p, d) with orthonormal columns, or
            `Directions`, of `plateau.torch.directions` or another library.
        theta: draws of your own, (T, d), parameter units, with σ in them. `sigma` is then their root mean square, unless you give
            it; a `sigma` of another width is a warning, as the theories are computed for it.
        derivatives: also value, slope and curvature of each sample at w*, which the theories need; d (d + 5) / 2 backward passes.
        batch_size: samples at a time, where `data` is a pair or a `Dataset`.
        tolerance: of the eigenvectors, ‖Hu − μu‖ / |μ| of each; it bounds the relative error of μ.
        out: a `.npy` file for the losses, which are then a memory map; for more than fits in memory. It is written beside, and
            replaces a file of that name at the end.
        progress: whether a bar is shown on stderr.

    Raises:
        ValueError: a weight, or a loss or derivative at w*, is not finite;
            the loss is not one number per sample, or has no gradient; batch normalisation or dropout in training mode, or
            another loss that depends on the batch or on chance; data that change from pass to pass, or a model that keeps
            something of a pass.
        TypeError: the samples are of another type than the weights.
        RuntimeError: the eigenvectors did not converge, or derivatives of PyTorch disagree with each other.
    """
    options = Options(dim, sigma, draws, seed, directions, theta, derivatives, tolerance, out, progress).checked()
    with _Network(model, loss, _batches(data, batch_size)) as network:
        return draw(network.model(), options)


def directions(
    model: nn.Module,
    loss: LossFunction,
    data: Any,
    *,
    dim: int = 10,
    seed: int = 0,
    batch_size: int = 1024,
    tolerance: float = 1e-3,
    progress: bool = True,
) -> Directions:
    """The top `dim` eigenvectors of the Hessian of the mean loss at w*, for `losses(directions=…)`.

    Every copy of a repeated eigenvalue counts. Hessian-vector products are two backward passes over the samples each. The arguments
    are those of `losses`. Give the first samples alone where all would take too long.

    Raises:
        ValueError: as in `losses`.
        RuntimeError: the eigenvectors did not converge.
    """
    with _Network(model, loss, _batches(data, batch_size)) as network:
        found = network.model()
        return top(found, integer("dim", dim, 1), tolerance=tolerance, seed=integer("seed", seed, 0), shown=progress)


class _Network:
    """A model with loss and samples, whose weights may be moved while this context is open."""

    def __init__(self, model: nn.Module, loss: LossFunction, batches: Iterable[Any]) -> None:
        _refuse_coupled(model)
        self._net, self._loss, self._batches = model, loss, batches
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        if not named:
            raise ValueError("no parameter of the model requires a gradient: there are no directions to look along")
        for name, p in named:
            if not p.is_floating_point():
                raise ValueError(f"parameter {name} is {p.dtype}; real floating-point parameters are needed")
            values = _numpy(p, np.dtype(np.float64))
            finite(f"parameter {name}", values, "training has failed, or the weights are not those that were trained")
        self._moved = [p for _, p in named]
        self._parameters = tuple((name, tuple(p.shape)) for name, p in named)
        self._device = self._moved[0].device
        self._restore = contextlib.ExitStack()

    def __enter__(self) -> _Network:
        self._restore.enter_context(_as_before(self._net))
        self._restore.enter_context(_no_chance())
        self._restore.enter_context(_double_backward())
        self._start = [p.detach().clone() for p in self._moved]
        return self

    def __exit__(self, *error: object) -> None:
        self._restore.close()

    def model(self) -> Model:
        """Checks the loss on the first batch, counts the samples, and describes the rest."""
        sizes, dtype = self._look()
        return Model(
            weights=np.concatenate([p.to("cpu", torch.float64).reshape(-1).numpy() for p in self._start]),
            parameters=self._parameters,
            n_samples=sum(sizes),
            dtype=dtype,
            rounding=rounding((_numpy(p, np.dtype(np.float64)), torch.finfo(p.dtype).eps) for p in self._start),
            types=types_of(str(p.dtype).removeprefix("torch.") for p in self._start),
            product=lambda v: self._product(v, sum(sizes)),
            at=self._at,
            derivatives=self._derivatives,
            n_batches=len(sizes),
        )

    def _look(self) -> tuple[list[int], np.dtype[Any]]:
        sizes: list[int] = []
        dtype = np.dtype(np.float32)
        first: list[Tensor] = []
        for x, y in self._pass():
            sizes.append(len(_first_tensor(x)))
            with torch.no_grad():
                if len(sizes) == 1:
                    dtype = self._check(x, y)
                found = self._of_batch(x, y)
            check_shape(tuple(found.shape), sizes[-1], _shape(y))
            first.append(found)
        if not sizes:
            raise ValueError("the data have no batch; a generator is used up after one pass: give a list, a Dataset or a pair")
        finite_losses(np.concatenate([_numpy(found, dtype) for found in first]))
        with torch.no_grad():
            self._elsewhere(x, y)
            second = [self._of_batch(x, y) for x, y in self._pass()]
        apart = f"{sum(sizes)} samples at the first pass over the data, {sum(map(len, second))} at the second"
        if [len(batch) for batch in second] != sizes:
            raise ValueError(f"{apart}; give a list, a Dataset or a pair, not a generator")
        rounding = float(np.sqrt(np.finfo(dtype).eps))
        if any(not torch.allclose(a, b, rtol=rounding, atol=rounding, equal_nan=True) for a, b in zip(first, second, strict=True)):
            raise ValueError(
                "the losses at w* differ between two passes over the data: samples are shuffled or augmented at random, or the "
                "model keeps something of each pass, such as spectral_norm in training mode. Give the samples in one fixed order "
                "(DataLoader: shuffle=False), without augmentation, and call model.eval() first"
            )
        return sizes, dtype

    def _elsewhere(self, x: Any, y: Any) -> None:
        """A pass at random weights of the same size, so that what the model keeps of it shows at w*."""
        generator = torch.Generator().manual_seed(0)
        self._place([p.float().square().mean().sqrt() * torch.randn(p.shape, generator=generator).to(p) for p in self._start])
        # Not every model has a value at any weights, and none is needed.
        with contextlib.suppress(Exception):
            self._of_batch(x, y)
        self._place(self._start)

    def _place(self, weights: Iterable[Tensor]) -> None:
        for p, values in zip(self._moved, weights, strict=True):
            p.data.copy_(values)

    def _check(self, x: Any, y: Any) -> np.dtype[Any]:
        """That each sample of the first batch has a loss, of its own."""
        found = self._first(x, y)
        if not isinstance(found, Tensor):
            raise ValueError(f"the loss is {type(found).__name__}; a tensor (B,) is needed, one loss per sample")
        n = len(_first_tensor(x))
        check_shape(tuple(found.shape), n, _shape(y))
        dtype = loss_type(str(found.dtype))

        def evaluate(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.floating]:
            index = torch.from_numpy(rows.copy()).to(self._device)
            return _numpy(self._of_batch(_take(x, index), _take(y, index)), dtype)

        check_alone(evaluate, n, _ADVICE)
        return dtype

    def _pass(self) -> Iterator[tuple[Any, Any]]:
        """The batches once, where the model is."""
        for batch in self._batches:
            x, y = check_pair(batch)
            yield _to(x, self._device), _to(y, self._device)

    def _first(self, x: Any, y: Any) -> Tensor:
        """Losses of the first batch, with advice where its type is not that of the weights."""
        try:
            return self._of_batch(x, y)
        except RuntimeError as error:
            given, own = _first_tensor(x).dtype, self._moved[0].dtype
            if given == own or not given.is_floating_point:
                raise
            raise TypeError(f"x is {given}, the weights are {own}: convert it, x.to({own}). PyTorch says: {error}") from error

    def _of_batch(self, x: Any, y: Any) -> Tensor:
        return self._loss(_call(self._net, x), y)

    def _differentiable(self, x: Any, y: Any) -> Tensor:
        """Losses of a batch (B,) as a function of the weights.

        Raises:
            ValueError: they have no gradient.
        """
        found = self._of_batch(x, y)
        if not found.requires_grad:
            raise ValueError(
                "the loss does not depend on the parameters through differentiable operations: look for detach(), item(), NumPy or "
                'no_grad() in forward() and in the loss, or do without derivatives: directions="random", derivatives=False'
            )
        return found

    def _split(self, flat: Tensor) -> list[Tensor]:
        pieces = flat.split([p.numel() for p in self._moved])
        return [piece.reshape(p.shape).to(p.dtype) for piece, p in zip(pieces, self._moved, strict=True)]

    def _on_device(self, array: Floats) -> Tensor:
        dtype = torch.float64 if any(p.dtype == torch.float64 for p in self._moved) else torch.float32
        return torch.from_numpy(np.require(array, requirements=["C", "W"])).to(self._device, dtype)

    def _product(self, v: Floats, n: int) -> Floats:
        """H v = ∇(vᵀ∇L), summed over samples and divided by their number: batches of any size count as they should."""
        parts = self._split(self._on_device(v))
        total = [torch.zeros(p.shape, dtype=torch.float64, device="cpu") for p in self._moved]
        for x, y in self._pass():
            with torch.enable_grad():
                slope = torch.autograd.grad(self._differentiable(x, y).sum(), self._moved, create_graph=True, allow_unused=True)
                along = [(g * part).sum() for g, part in zip(slope, parts, strict=True) if g is not None and g.requires_grad]
                if not along:
                    continue
                image = torch.autograd.grad(torch.stack(along).sum(), self._moved, allow_unused=True)
            for sum_, h in zip(total, image, strict=True):
                if h is not None:
                    sum_ += h.detach().to("cpu", torch.float64)
        flat: Floats = torch.cat([t.reshape(-1) for t in total]).numpy() / n
        return flat

    def _at(self, basis: Floats) -> Callable[[Floats], Iterator[npt.NDArray[np.floating]]]:
        p_matrix = self._on_device(basis)
        start = torch.cat([p.reshape(-1).to(p_matrix.dtype) for p in self._start])

        def losses_at(theta: Floats) -> Iterator[npt.NDArray[np.floating]]:
            self._place(self._split(start + p_matrix @ self._on_device(theta)))
            with torch.no_grad():
                for x, y in self._pass():
                    found = self._of_batch(x, y)
                    yield _numpy(found, loss_type(str(found.dtype)))

        return losses_at

    def _derivatives(self, basis: Floats, progress: Progress) -> tuple[Floats, Floats, Floats]:
        """Of every sample, from the weights where they are: nothing that the model or the loss reaches is missed."""
        self._place(self._start)
        columns = [self._split(column) for column in self._on_device(basis.T)]
        parts: list[tuple[Floats, Floats, Floats]] = []
        for x, y in self._pass():
            with torch.enable_grad():
                parts.append(_per_sample(self._differentiable(x, y), self._moved, columns))
            progress.step()
        values, slopes, curvatures = (np.concatenate(part) for part in zip(*parts, strict=True))
        return values, slopes, curvatures


def _per_sample(losses: Tensor, weights: list[Tensor], columns: list[list[Tensor]]) -> tuple[Floats, Floats, Floats]:
    """Values (B,), slopes (B, d) and curvatures (B, d, d) along d directions.

    g(u) = ∇uᵀℓ and h_j(u) = ∇⟨g(u), p_j⟩ are linear in u: ∂⟨g, p_j⟩/∂u has the slopes of all samples, ∂⟨h_j, p_k⟩/∂u the
    curvatures. By the weights nothing is differentiated a third time, which PyTorch gets wrong in LayerNorm.
    """
    n, d = len(losses), len(columns)
    slopes: Floats = np.zeros((n, d))
    curvatures: Floats = np.zeros((n, d, d))
    u = torch.zeros_like(losses, requires_grad=True)
    g = torch.autograd.grad(losses, weights, u, create_graph=True, allow_unused=True)
    for j, column in enumerate(columns):
        along = _inner(g, column, u)
        slopes[:, j] = _of_each(along, u)
        h = torch.autograd.grad(along, weights, create_graph=True, allow_unused=True)
        for k in range(j + 1):
            curvatures[:, j, k] = curvatures[:, k, j] = _of_each(_inner(h, columns[k], u), u)
    return _numpy(losses, np.dtype(np.float64)), slopes, curvatures


def _inner(gradient: Iterable[Tensor | None], column: list[Tensor], u: Tensor) -> Tensor:
    """⟨gradient, column⟩ as a function of u; None is 0."""
    return sum(((g * part).sum() for g, part in zip(gradient, column, strict=True) if g is not None), 0 * u.sum())


def _of_each(along: Tensor, u: Tensor) -> Floats:
    """What is linear in u, for each sample, (B,)."""
    return _numpy(torch.autograd.grad(along, u, retain_graph=True)[0], np.dtype(np.float64))


def _call(model: nn.Module, x: Any) -> Any:
    if isinstance(x, dict):
        return model(**x)
    return model(*x) if isinstance(x, (tuple, list)) else model(x)


def _refuse_coupled(model: nn.Module) -> None:
    """Modules whose losses are not those of one sample, by name.

    Raises:
        ValueError: batch normalisation over the batch, or dropout that is active.
    """
    for name, module in model.named_modules():
        label = f"{name or 'the model'} ({type(module).__name__})"
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if module.training:
                raise ValueError(
                    f"{label} is in training mode: it normalises by the mean of the batch, so the loss of a sample depends on the "
                    "others and ℓ_i is not defined. Call model.eval() first"
                )
            if module.running_mean is None:
                raise ValueError(
                    f"{label} has no running statistics: it normalises by the mean of the batch even in evaluation mode, so ℓ_i is "
                    "not defined. Use track_running_stats=True, or a layer or group norm"
                )
        dropout = getattr(module, "p", 0.0) if isinstance(module, nn.modules.dropout._DropoutNd) else 0.0
        if isinstance(module, (nn.MultiheadAttention, nn.RNNBase)):
            dropout = module.dropout
        if module.training and dropout > 0:
            raise ValueError(
                f"{label} is in training mode: each pass drops other units, which blurs ℓ_i by noise that is not of the sample. "
                "Call model.eval() first"
            )


@contextlib.contextmanager
def _as_before(model: nn.Module) -> Iterator[None]:
    """Puts parameters, buffers and modes back, bit for bit."""
    tensors = [(t, t.detach().clone()) for t in [*model.parameters(), *model.buffers()]]
    buffers = [(m, name, b) for m in model.modules() for name, b in m._buffers.items()]
    modes = [(m, m.training) for m in model.modules()]
    try:
        yield
    finally:
        for module, name, buffer in buffers:
            module._buffers[name] = buffer
        for tensor, saved in tensors:
            tensor.data.copy_(saved)
        for module, mode in modes:
            module.training = mode


@contextlib.contextmanager
def _no_chance() -> Iterator[None]:
    """A `DataLoader` takes a number of the random state at each pass: it is put back."""
    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(state)


@contextlib.contextmanager
def _double_backward() -> Iterator[None]:
    """Attention by plain products: the fused kernels of newer versions have no second derivative."""
    try:
        from torch.nn.attention import SDPBackend, sdpa_kernel
    except ImportError:
        yield
        return
    with sdpa_kernel(SDPBackend.MATH):
        yield


def _batches(data: Any, batch_size: int) -> Iterable[Any]:
    batch_size = integer("batch_size", batch_size, 1)
    loader: Iterable[Any]
    if isinstance(data, torch.utils.data.DataLoader):
        if isinstance(data.sampler, torch.utils.data.RandomSampler):
            raise ValueError(
                "the DataLoader shuffles, but row and column of a loss are one draw and one sample: shuffle=False is needed"
            )
        loader = data
        return loader
    if isinstance(data, torch.utils.data.Dataset):
        loader = torch.utils.data.DataLoader(data, batch_size)
        return loader
    if isinstance(data, tuple) and len(data) == 2 and all(_is_array(part) for part in data):
        return _Pair(*data, batch_size)
    if not isinstance(data, Iterable):
        raise ValueError(f"data is {type(data).__name__}; a pair (x, y) of tensors, a Dataset or batches (x, y) are needed")
    return data


class _Pair(Sequence[tuple[Any, Any]]):
    """All samples in memory, as batches."""

    def __init__(self, x: Any, y: Any, batch_size: int) -> None:
        for name, part in (("x", x), ("y", y)):
            for leaf in _leaves(part):
                refuse_masked(name, leaf)
        self._x, self._y, self._size = _tensors(x), _tensors(y), batch_size
        lengths = {len(t) for t in [*_leaves(self._x), *_leaves(self._y)]}
        if len(lengths) != 1:
            raise ValueError(f"x and y have {' and '.join(map(str, sorted(lengths)))} samples along their first axes")
        self._n = lengths.pop()
        if not self._n:
            raise ValueError("x and y have no samples")

    def __len__(self) -> int:
        return -(-self._n // self._size)

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        rows = slice(index * self._size, (index + 1) * self._size)
        return _take(self._x, rows), _take(self._y, rows)


def _is_array(part: Any) -> bool:
    leaves = list(_leaves(part))
    return bool(leaves) and all(isinstance(leaf, (Tensor, np.ndarray)) for leaf in leaves)


def _leaves(tree: Any) -> Iterator[Any]:
    if isinstance(tree, dict):
        for value in tree.values():
            yield from _leaves(value)
    elif isinstance(tree, (tuple, list)):
        for value in tree:
            yield from _leaves(value)
    else:
        yield tree


def _map(tree: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(tree, dict):
        return {key: _map(value, function) for key, value in tree.items()}
    if isinstance(tree, (tuple, list)):
        return tuple(_map(value, function) for value in tree)
    return function(tree)


def _tensors(tree: Any) -> Any:
    return _map(tree, lambda leaf: torch.as_tensor(native(leaf)))


def _to(tree: Any, device: torch.device) -> Any:
    return _map(tree, lambda leaf: leaf.to(device) if isinstance(leaf, Tensor) else leaf)


def _take(tree: Any, rows: Any) -> Any:
    return _map(tree, lambda leaf: leaf[rows] if isinstance(leaf, Tensor) else leaf)


def _shape(y: Any) -> tuple[int, ...] | None:
    return tuple(y.shape) if isinstance(y, Tensor) else None


def _first_tensor(tree: Any) -> Tensor:
    for leaf in _leaves(tree):
        if isinstance(leaf, Tensor) and leaf.ndim > 0:
            return leaf
    raise ValueError("a batch has no tensor as x; a pair (x, y) of tensors is needed")


def _numpy(tensor: Tensor, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    wide = torch.float64 if dtype == np.float64 else torch.float32
    array: npt.NDArray[Any] = tensor.detach().to("cpu", wide).numpy()
    return array
