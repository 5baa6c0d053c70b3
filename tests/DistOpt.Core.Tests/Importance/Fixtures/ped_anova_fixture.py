# Fixture for PedAnovaTests: importances by Optuna 5.0.0.dev (github.com/optuna/optuna at 1d8ce7bb6f3c7274a7a31a0a007991995085baa7), whose source tree is on
# PYTHONPATH; numpy and what Optuna imports (alembic, sqlalchemy, tqdm, ...) from Debian.
import math
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import create_trial

optuna.logging.set_verbosity(optuna.logging.ERROR)


def unit(i, prime):
    return (i * math.sqrt(prime)) % 1


distributions = {
    "real": FloatDistribution(-1, 3),
    "rate": FloatDistribution(1e-5, 1e-1, log=True),
    "step": FloatDistribution(0, 1, step=0.25),
    "whole": IntDistribution(1, 9),
    "many": IntDistribution(1, 200),
    "width": IntDistribution(4, 1000, log=True),
    "kind": CategoricalDistribution(["a", "b", "c"]),
    "only_a": FloatDistribution(0, 1),
}


def trial(i):
    p = {
        "real": -1 + 4 * unit(i, 2),
        "rate": 1e-5 * 1e4 ** unit(i, 3),
        "step": 0.25 * int(5 * unit(i, 5)),
        "whole": 1 + int(9 * unit(i, 7)),
        "many": 1 + int(200 * unit(i, 11)),
        "width": min(1000, int(4 * 250 ** unit(i, 13))),
        "kind": "abc"[int(3 * unit(i, 17))],
    }
    value = (p["real"] - 0.7) ** 2 + 0.5 * (math.log10(p["rate"]) + 3) ** 2 + p["step"] + 0.2 * abs(p["whole"] - 4) + 0.01 * p["many"]
    value += 0.1 * math.log2(p["width"]) + {"a": 0, "b": 0.4, "c": 0.9}[p["kind"]]
    if p["kind"] == "a":
        p["only_a"] = unit(i, 19)
        value += p["only_a"]
    return create_trial(params=p, distributions={k: distributions[k] for k in p}, value=value)


for n, quantile in ((150, 0.1), (40, 0.25), (7, 0.5)):
    study = optuna.create_study()
    study.add_trials([trial(i) for i in range(n)])
    importances = PedAnovaImportanceEvaluator(target_quantile=quantile).evaluate(study)
    print(n, quantile, ", ".join(repr(importances[name]) for name in distributions))
