# Fixture for CmaEsPeerTests: what the library cmaes makes of given points. Run with Debian's python3-cmaes (0.9.1) and numpy.
import math
import numpy as np
from cmaes import CMA, CMAwM


def value(x):
    return sum((j + 1) * (v - 0.3) ** 2 for j, v in enumerate(x))


def step(g, k, j):
    return 1.5 * math.sin(1 + 7 * g + 3 * k + 1.7 * j + 0.9 * k * j)


def show(*arrays):
    for a in arrays:
        print(", ".join(repr(float(v)) for v in np.ravel(a)))


d, n = 4, 8
cma = CMA(mean=np.array([0.5, -1.0, 2.0, 0.0]), sigma=0.7, population_size=n, seed=0)
for g in range(5):
    points = [np.array([cma._mean[j] + cma._sigma * step(g, k, j) for j in range(d)]) for k in range(n)]
    cma.tell([(x, value(x)) for x in points])
show(cma._mean, cma._sigma, cma._C)

bounds = np.array([[-10.0, 10.0]] * 4)
steps = np.array([0.0, 0.0, 1.0, 1.0])
cma = CMAwM(mean=np.array([2.0, -1.0, 3.2, 9.9]), sigma=0.2, bounds=bounds, steps=steps, population_size=n, seed=0)
for g in range(4):
    c = cma._cma
    points = [np.array([c._mean[j] + c._sigma * 0.4 * step(g, k, j) for j in range(d)]) for k in range(n)]
    tried = [np.concatenate([x[:2], cma._encode_discrete_params(x[2:])]) for x in points]
    cma.tell([(x, value(t)) for x, t in zip(points, tried)])
    show(cma._cma._mean, cma._cma._sigma, cma._A)
show(cma._cma._C)
