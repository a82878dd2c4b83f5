"""Standard errors of means of correlated series."""

import numpy as np


def correlation_time(series):
    """Integrated autocorrelation time in samples, 1/2 + sum of rho(k) up to the first k > 5 tau (Sokal's window)."""
    x = np.asarray(series, float) - np.mean(series)
    n = len(x)
    spectrum = np.abs(np.fft.rfft(x, 2 * n)) ** 2
    correlation = np.fft.irfft(spectrum)[:n] / np.arange(n, 0, -1)
    rho = correlation / correlation[0]
    tau = 0.5
    for k in range(1, n // 4):
        tau += rho[k]
        if k > 5 * tau:
            break
    return max(tau, 0.5)


def mean(replicas, block_count=4):
    """Mean over replicas of series of equal length, and its standard error: the largest of three estimates, from the
    correlation time, from `block_count` blocks a replica, and from the replicas themselves when there are at least three."""
    replicas = [np.asarray(r, float) for r in replicas]
    value = np.mean([r.mean() for r in replicas])
    by_time = np.sqrt(sum(r.var(ddof=1) * 2 * correlation_time(r) / len(r) for r in replicas)) / len(replicas)
    blocks = np.concatenate([[b.mean() for b in np.array_split(r, block_count)] for r in replicas])
    by_blocks = blocks.std(ddof=1) / np.sqrt(len(blocks))
    by_replicas = np.std([r.mean() for r in replicas], ddof=1) / np.sqrt(len(replicas)) if len(replicas) > 2 else 0.0
    return value, max(by_time, by_blocks, by_replicas)
