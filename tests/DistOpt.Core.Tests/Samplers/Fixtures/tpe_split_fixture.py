# Fixture for TpeDecisionTests: which trials Optuna's TPE takes for good ones. Run with Debian's python3-optuna (3.1.0), whose split of trials with one objective
# is that of version 5 too: complete ones by value, pruned ones by (-step, value), running ones behind all others and not counted.
import optuna
from optuna.distributions import FloatDistribution
from optuna.samplers._tpe.sampler import _get_observation_pairs, _split_observation_pairs, default_gamma
from optuna.trial import TrialState, create_trial


def value(i):
    return (37 * i * i + 11 * i) % 1009 / 1009


def trial(i, most_are_pruned):
    given = dict(params={"x": 0.5}, distributions={"x": FloatDistribution(0, 1)})
    if i % 7 == 5:
        return create_trial(state=TrialState.RUNNING, **given)
    if i % 20 != 7 if most_are_pruned else i % 7 == 3:
        steps = i % 5
        last = float("nan") if i % 11 == 4 else value(i)
        return create_trial(state=TrialState.PRUNED, intermediate_values={s: last if s == steps else 0.5 for s in range(1, steps + 1)}, **given)
    return create_trial(state=TrialState.COMPLETE, value=value(i), **given)


for count, most_are_pruned in [(420, False), (110, False), (90, True)]:
    study = optuna.create_study(direction="minimize")
    study.add_trials([trial(i, most_are_pruned) for i in range(count)])
    _, scores, _ = _get_observation_pairs(study, ["x"], constant_liar=True)
    n = sum(s < float("inf") for s, _ in scores)
    below, _ = _split_observation_pairs(scores, default_gamma(n), None)
    print(count, most_are_pruned, n, len(below), below.tolist())
