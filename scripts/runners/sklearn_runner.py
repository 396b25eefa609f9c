"""Any scikit-learn estimator as a model: its dotted name as the first argument, `params` for its constructor.

    [[model]]
    name = "sk-forest"
    kind = "runner"
    command = ["python3", "scripts/runners/sklearn_runner.py", "sklearn.ensemble.RandomForestClassifier"]
    version = ["python3", "scripts/runners/sklearn_runner.py", "--version"]
    params = { n_estimators = 100 }

`random_state` is the trial's seed where the estimator takes one. Needs scikit-learn and NumPy.
"""

import importlib
import os
import sys

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(threads, "1")  # the harness runs several trials side by side

import numpy
import sklearn

from protocol import serve


def estimator(params, seed):
    module, name = sys.argv[1].rsplit(".", 1)
    made = getattr(importlib.import_module(module), name)(**params)
    if "random_state" in made.get_params() and "random_state" not in params:
        made.set_params(random_state=seed % 2**32)
    return made


def fit(x, y, seed, classes, shape, params):
    # float64 as scikit-learn's own solvers would make of it, and as most of our models compute.
    return estimator(params, seed).fit(x.astype(numpy.float64), y), None


def predict(model, x):
    x = x.astype(numpy.float64)
    if hasattr(model, "predict_proba"):
        probabilities = model.predict_proba(x)
        return model.predict(x), probabilities
    return model.predict(x), None


if __name__ == "__main__":
    serve("scikit-learn", f"{sklearn.__version__} (numpy {numpy.__version__})", fit, predict)
