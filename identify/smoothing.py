"""Value and slope of a noisy signal at its own samples, by local regression, as wide as the signal itself asks for.

Tricube weights: Cleveland, J. Am. Stat. Assoc. 74, 1979. The width is the one that best predicts each sample from the
others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from identify.features import Array

WIDTHS = (2, 3, 4, 5, 6, 8, 10, 13, 17, 22)
"""Rows on each side that are tried."""


def best_width(pieces: Sequence[tuple[Array, Array]], order: int) -> int:
    """The width, in rows, whose prediction of each value from its neighbours alone is best.

    Args:
        pieces: of one curve or of several that are alike, `x` and `y` of `local` each.
        order: of the polynomial.
    """

    def loss(width: int) -> float:
        left = [np.square(left_out) for x, y in pieces for left_out, _ in [local(x, y, width, order)]]
        return float(np.concatenate(left).mean())

    return min((width for width in WIDTHS if 2 * width > order + 1), key=loss)


def local(x: Array, y: Array, width: int, order: int) -> tuple[Array, tuple[Array, ...]]:
    """A polynomial about every sample of a curve, through those at most `width` rows from it.

    Args:
        x: where, increasing, shape (n,).
        y: the values, shape (n,), or (n, k) of k curves.
        width: rows on each side.
        order: of the polynomial.

    Returns:
        The error at each sample when that sample is left out, and the coefficients, lowest first, each like y.
    """
    reach = np.arange(-width, width + 1)
    index = np.clip(np.arange(len(x))[:, None] + reach, 0, len(x) - 1)
    inside = (np.arange(len(x))[:, None] + reach >= 0) & (np.arange(len(x))[:, None] + reach < len(x))
    scale = np.median(np.diff(x)) * width
    away = (x[index] - x[:, None]) / scale
    weight = inside * np.clip(1.0 - np.abs(reach / (width + 1.0)) ** 3, 0.0, 1.0) ** 3
    powers = np.stack([away**power for power in range(order + 1)], axis=1)
    weighted = weight[:, None] * powers
    gram = weighted @ powers.swapaxes(1, 2) + 1e-9 * np.eye(order + 1)
    found = np.linalg.solve(gram, weighted @ y[index].reshape(*index.shape, -1))
    lever = np.linalg.inv(gram)[:, :1, 0]  # what a sample, of weight 1, has to say about its own fit
    left_out = (y.reshape(len(x), -1) - found[:, 0]) / np.maximum(1.0 - lever, 1e-6)
    return left_out.reshape(y.shape), tuple(found[:, p].reshape(y.shape) / scale**p for p in range(order + 1))
