# Optuna on the functions of TestFunctions.cs. Expects the imports of OptunaPeer. Arguments, of which the first says what is printed as JSON:
#   values POINTS   the values at the points of a JSON object, an array for each function; choices by index, null = the parameter has none
#   studies FUNCTION SAMPLER SEED BUDGET...   the best value after each budget
import math

ALPHAS = (1, 1.2, 3, 3.2)
A3 = ((3, 10, 30), (0.1, 10, 35), (3, 10, 30), (0.1, 10, 35))
P3 = ((0.3689, 0.1170, 0.2673), (0.4699, 0.4387, 0.7470), (0.1091, 0.8732, 0.5547), (0.0381, 0.5743, 0.8828))
A6 = ((10, 3, 17, 3.5, 1.7, 8), (0.05, 10, 17, 0.1, 8, 14), (3, 3.5, 1.7, 10, 17, 8), (17, 8, 0.05, 10, 0.1, 14))
P6 = (
    (0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886),
    (0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991),
    (0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650),
    (0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381),
)
KINDS, OPTIMIZERS = ["a", "b", "c", "d"], ["sgd", "adam"]


def branin(x):
    bowl = x[1] - 5.1 / (4 * math.pi**2) * x[0] ** 2 + 5 / math.pi * x[0] - 6
    return bowl**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x[0]) + 10


def hartmann(a, p):
    return lambda x: -sum(c * math.exp(-sum(r * (v - q) ** 2 for v, r, q in zip(x, ra, rp))) for c, ra, rp in zip(ALPHAS, a, p))


def camel(x):
    a, b = x[0] ** 2, x[1] ** 2
    return (4 - 2.1 * a + a * a / 3) * a + x[0] * x[1] + (-4 + 4 * b) * b


def goldstein_price(x):
    a, b = x
    first = 1 + (a + b + 1) ** 2 * (19 - 14 * a + 3 * a * a - 14 * b + 6 * a * b + 3 * b * b)
    return first * (30 + (2 * a - 3 * b) ** 2 * (18 - 32 * a + 12 * a * a + 48 * b - 36 * a * b + 27 * b * b))


def ackley(x):
    squares, waves = sum(v * v for v in x) / len(x), sum(math.cos(math.tau * v) for v in x) / len(x)
    return -20 * math.exp(-0.2 * math.sqrt(squares)) - math.exp(waves) + 20 + math.e


def levy(x):
    w = [1 + (v - 1) / 4 for v in x]
    ends = math.sin(math.pi * w[0]) ** 2 + (w[-1] - 1) ** 2 * (1 + math.sin(math.tau * w[-1]) ** 2)
    return ends + sum((v - 1) ** 2 * (1 + 10 * math.sin(math.pi * v + 1) ** 2) for v in w[:-1])


def griewank(x):
    return 1 + sum(v * v for v in x) / 4000 - math.prod(math.cos(v / math.sqrt(i + 1)) for i, v in enumerate(x))


def mixed(x):
    rate, kind, layers, width, dropout = x
    total = (math.log10(rate) - (-4, -3, -2, -1)[kind]) ** 2 + (0.4, 0, 0.6, 0.2)[kind] + ((layers - 5) / 3) ** 2
    return total + math.log2(width / 96) ** 2 / 4 + 10 * (dropout - 0.25) ** 2


def conditional(x):
    rate = math.log10(x[1])
    total = (rate + 1) ** 2 + 4 * (x[2] - 0.9) ** 2 if x[0] == 0 else (rate + 3) ** 2 + (math.log10(x[3]) + 1) ** 2 + 0.1
    return total + (0.6, 0, 0.3)[x[4] - 1] + sum(math.log2(x[5 + i] / (64, 32, 16)[i]) ** 2 / 8 for i in range(x[4]))


def numbers(*bounds):
    return lambda t: [t.suggest_float(f"x{i}", low, high) for i, (low, high) in enumerate(bounds)]


def of_mixed(t):
    return [
        t.suggest_float("rate", 1e-5, 1, log=True),
        KINDS.index(t.suggest_categorical("kind", KINDS)),
        t.suggest_int("layers", 1, 8),
        t.suggest_int("width", 8, 512, log=True),
        t.suggest_float("dropout", 0, 0.9, step=0.05),
    ]


def of_conditional(t):
    x = [OPTIMIZERS.index(t.suggest_categorical("kind", OPTIMIZERS)), t.suggest_float("rate", 1e-5, 1, log=True), None, None]
    x[2 + x[0]] = t.suggest_float("momentum", 0, 0.99) if x[0] == 0 else t.suggest_float("beta", 1e-3, 0.5, log=True)
    x.append(t.suggest_int("depth", 1, 3))
    return x + [t.suggest_int(f"width.{i}", 4, 256, log=True) for i in range(x[4])]


FUNCTIONS = {
    "Branin": (branin, numbers((-5, 10), (0, 15))),
    "Hartmann3": (hartmann(A3, P3), numbers(*[(0, 1)] * 3)),
    "Hartmann6": (hartmann(A6, P6), numbers(*[(0, 1)] * 6)),
    "SixHumpCamel": (camel, numbers((-3, 3), (-2, 2))),
    "GoldsteinPrice": (goldstein_price, numbers(*[(-2, 2)] * 2)),
    "StyblinskiTang-5": (lambda x: sum(v**4 - 16 * v * v + 5 * v for v in x) / 2, numbers(*[(-5, 5)] * 5)),
    "Ackley-5": (ackley, numbers(*[(-10, 30)] * 5)),
    "Rastrigin-5": (lambda x: sum(v * v - 10 * math.cos(math.tau * v) + 10 for v in x), numbers(*[(-3.12, 7.12)] * 5)),
    "Levy-5": (levy, numbers(*[(-10, 10)] * 5)),
    "Griewank-5": (griewank, numbers(*[(-50, 20)] * 5)),
    "mixed": (mixed, of_mixed),
    "conditional": (conditional, of_conditional),
}
SAMPLERS = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "cma-es": lambda seed: optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False),
}


def best(function, sampler, seed, budgets):
    value, define = FUNCTIONS[function]
    study = optuna.create_study(sampler=SAMPLERS[sampler](seed))
    study.optimize(lambda t: value(define(t)), n_trials=max(budgets))
    values = [t.value for t in study.trials]
    return [min(values[:budget]) for budget in budgets]


action, *rest = sys.argv[1:]
if action == "values":
    print(json.dumps({f: [FUNCTIONS[f][0](p) for p in points] for f, points in json.loads(rest[0]).items()}))
else:
    function, sampler, seed, *budgets = rest
    print(json.dumps(best(function, sampler, int(seed), [int(b) for b in budgets])))
