# Fixture for TreeMarginalsTests: what Optuna makes of a given tree. Run with Debian's python3-optuna (3.1.0); its class wants of scikit-learn's tree only the arrays.
import numpy as np
from optuna.importance._fanova._tree import _FanovaTree


class Tree:
    # the nodes in the order of DistOpt's: x0 in [0, 1], x1 in [0, 1], x2 in [0, 1]
    feature = np.array([0, 1, 2, -2, -2, 0, -2, -2, 1, -2, 2, -2, -2])
    threshold = np.array([0.375, 0.5, 0.25, 0, 0, 0.125, 0, 0, 0.8125, 0, 0.625, 0, 0], dtype=float)
    children_left = np.array([1, 2, 3, -1, -1, 6, -1, -1, 9, -1, 11, -1, -1])
    children_right = np.array([8, 5, 4, -1, -1, 7, -1, -1, 10, -1, 12, -1, -1])
    value = np.array([0, 0, 0, 1.5, -2.25, 0, 4, 0.5, 0, -1, 0, 3.25, 7], dtype=float)
    node_count = 13
    n_features = 3


tree = _FanovaTree(Tree(), np.array([[0.0, 1.0]] * 3))
print("variance", repr(float(tree.variance)))
for features in ([0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]):
    print(features, repr(float(tree.get_marginal_variance(np.array(features)))))
