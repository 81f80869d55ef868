"""Compiled Newton steps for Poisson spectra of log-linear functions, one spectrum at a time.

The likelihood is concave, so Fisher scoring with step halving finds its one maximum from any start.
Nothing here holds a lock or allocates memory: whoever loops over spectra brings the arrays.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .functions import MAX_LOG

__all__ = [
    "bin_content",
    "cholesky",
    "evaluate",
    "maximise",
    "newton_step",
    "overwrite",
    "solve_lower",
]

_MAX_STEP = 3.0  # largest move of a parameter in one step: e^3 in the spectrum


@njit(cache=True, nogil=True, error_model="numpy")
def overwrite(target, values):
    """Write an array over another of its length.

    In numba ``target[:] = values`` does the same, and takes seconds to compile: its error names both
    shapes.

    Examples
    --------
    >>> import numpy as np
    >>> target = np.zeros(2)
    >>> overwrite(target, np.array([1.0, 2.0]))
    >>> target.tolist()
    [1.0, 2.0]
    """
    for i in range(values.size):
        target[i] = values[i]


@njit(cache=True, nogil=True, error_model="numpy")
def bin_content(theta, design, weights, slope):
    """Return the background in one bin, and its gradient in ``slope``.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.spectra.functions import basis
    >>> model, slope = basis("dijet3", [1000, 1100, 1200, 1300]), np.empty(3)
    >>> theta = np.array([2.0, -1.0, 0.5])
    >>> content = bin_content(theta, model.design[0], model.weights[0], slope)
    >>> bool(np.isclose(content, model.expected(theta)[0]))
    True
    """
    content = 0.0
    slope[:] = 0.0
    for q in range(weights.size):
        log_f = 0.0
        for p in range(design.shape[1]):
            log_f += design[q, p] * theta[p]
        f = weights[q] * np.exp(min(max(log_f, -MAX_LOG), MAX_LOG))
        content += f
        for p in range(design.shape[1]):
            slope[p] += f * design[q, p]
    return max(content, 1e-300)


@njit(cache=True, nogil=True, error_model="numpy")
def cholesky(matrix):
    """Factorise the lower triangle in place; False where it is not positive definite.

    Examples
    --------
    >>> import numpy as np
    >>> matrix = np.array([[4.0, 0.0], [2.0, 2.0]])
    >>> bool(cholesky(matrix)), matrix.tolist()
    (True, [[2.0, 0.0], [1.0, 1.0]])
    """
    for i in range(matrix.shape[0]):
        for j in range(i + 1):
            value = matrix[i, j]
            for m in range(j):
                value -= matrix[i, m] * matrix[j, m]
            if i > j:
                matrix[i, j] = value / matrix[j, j]
            elif value > 1e-14 * matrix[i, i] and value > 0.0:
                matrix[i, i] = np.sqrt(value)
            else:
                return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def solve_lower(lower, vector, out):
    """Solve L out = vector; returns out·out, which is vector·(L Lᵀ)⁻¹·vector.

    Examples
    --------
    >>> import numpy as np
    >>> out = np.empty(2)
    >>> solve_lower(np.array([[2.0, 0.0], [1.0, 1.0]]), np.array([2.0, 3.0]), out), out.tolist()
    (5.0, [1.0, 2.0])
    """
    square = 0.0
    for i in range(vector.size):
        value = vector[i]
        for m in range(i):
            value -= lower[i, m] * out[m]
        out[i] = value / lower[i, i]
        square += out[i] * out[i]
    return square


@njit(cache=True, nogil=True, error_model="numpy")
def _solve_upper(lower, out):
    """Solve Lᵀ x = out in place."""
    for i in range(out.size - 1, -1, -1):
        for m in range(i + 1, out.size):
            out[i] -= lower[m, i] * out[m]
        out[i] /= lower[i, i]


@njit(cache=True, nogil=True, error_model="numpy")
def evaluate(theta, counts, signal, left_out, model, slope, gradient, info):  # noqa: PLR0917
    """Return the loss of the bins not left out, and write its gradient and information.

    The loss is that of `overdensity.stats.spectra.batch_fit.refit`, infinite where an expectation is not
    positive. ``model`` holds the design and the weights of a `Basis`, center and precision of the
    constraint. ``signal`` is looked at where there is one parameter more than columns.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.spectra.functions import basis
    >>> free, none = np.zeros(3), np.empty(0)
    >>> bins = basis("dijet3", [1000, 1100, 1200, 1300])
    >>> model = bins.design, bins.weights, free, free
    >>> work = np.empty(3), np.empty(3), np.empty((3, 3))
    >>> loss = evaluate(free, np.array([1.0, 2.0, 3.0]), none, np.zeros(3, bool), model, *work)
    >>> round(loss, 3)  # 100 events expected in each bin: 300 - 6 ln 100
    272.369
    """
    design, weights, center, precision = model
    n_shape, n_par = design.shape[2], theta.size
    gradient[:] = 0.0
    info[:] = 0.0
    loss = 0.0
    for i in range(counts.size):
        if left_out[i]:
            continue
        mean = bin_content(theta, design[i], weights[i], slope)
        if n_par > n_shape:
            slope[n_shape] = signal[i]
            mean += theta[n_shape] * signal[i]
            if mean <= 0.0:
                loss = np.inf
                break
        loss += mean - counts[i] * np.log(mean)
        pull = counts[i] / mean - 1.0
        for p in range(n_par):
            gradient[p] += pull * slope[p]
            for r in range(p + 1):
                info[p, r] += slope[p] * slope[r] / mean
    for p in range(n_par):
        pull = theta[p] - center[p]
        loss += 0.5 * precision[p] * pull * pull
        gradient[p] -= precision[p] * pull
        info[p, p] += precision[p]
    return loss


@njit(cache=True, nogil=True, error_model="numpy")
def newton_step(info, gradient, step, n_shape):
    """Factorise the information, write the step; returns the decrement, or -1 where singular.

    None of the first ``n_shape`` parameters moves by more than 3.

    Examples
    --------
    >>> import numpy as np
    >>> step = np.empty(2)
    >>> newton_step(np.array([[4.0, 0.0], [0.0, 1.0]]), np.array([8.0, 2.0]), step, 2)
    20.0
    >>> step.tolist()
    [2.0, 2.0]
    """
    if not cholesky(info):
        return -1.0
    decrement = solve_lower(info, gradient, step)
    _solve_upper(info, step)
    largest = np.max(np.abs(step[:n_shape]))
    if largest > _MAX_STEP:
        step *= _MAX_STEP / largest
    return decrement


@njit(cache=True, nogil=True, error_model="numpy")
def maximise(theta, counts, signal, left_out, model, work, max_steps, tolerance):  # noqa: PLR0917
    """Move ``theta`` to the maximum; returns whether it got there, and whether ``info`` is solved.

    ``work`` holds slope, gradient, information, step and last: arrays of the size of ``theta``,
    the information square. Where it is solved, it holds the Cholesky factor at the last accepted
    point, a step of less than the tolerance away: close enough for the error.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.spectra.functions import basis
    >>> free, none, theta = np.zeros(3), np.empty(0), np.zeros(3)
    >>> bins, counts = basis("dijet3", [1000, 1100, 1200, 1300]), np.array([90.0, 60.0, 40.0])
    >>> model = bins.design, bins.weights, free, free
    >>> work = np.empty(3), np.empty(3), np.empty((3, 3)), np.empty(3), np.empty(3)
    >>> maximise(theta, counts, none, np.zeros(3, bool), model, work, 100, 1e-9)
    (True, True)
    >>> bins.expected(theta).round(3).tolist()
    [90.0, 60.0, 40.0]
    """
    slope, gradient, info, step, last = work
    n_shape = model[0].shape[2]
    last_loss = np.inf
    solved = False
    for _ in range(max_steps):
        loss = evaluate(theta, counts, signal, left_out, model, slope, gradient, info)
        if not loss <= last_loss + 1e-11 * (1.0 + abs(last_loss)):
            for p in range(theta.size):
                step[p] *= 0.5
                theta[p] = last[p] + step[p]
            continue
        decrement = newton_step(info, gradient, step, n_shape)
        solved = decrement >= 0.0
        if not solved:
            break
        last_loss = loss
        overwrite(last, theta)
        theta += step
        if decrement < tolerance:
            return True, True
    return False, solved
