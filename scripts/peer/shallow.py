#!/usr/bin/env python3
"""Our shallow models against scikit-learn's: processor time of fit and of prediction, on the same rows, in one run.

    pip install scikit-learn==1.9.1
    python3 scripts/peer/shallow.py [--models lda,svm-rbf] [--sizes 10,160] [--tasks 0v1,ten] [--memory]

Prints, per task, model and n, ours / scikit-learn's (below 1: ours takes less) and both accuracies. Each side runs on
one thread, the two in turn, and the least of several times is kept, because other work can only add to a time. Both
get the same float32 pixels in [0, 1]; a fit includes what the library does to check its input. With --memory, each
side's peak resident memory for one fit and prediction in a process of its own, with what the process holds before
the fit (the data, and Python's libraries) beside it.
"""

import argparse
import gzip
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402  (after the thread counts)

ROOT = Path(__file__).resolve().parents[2]
SIZES = [10, 40, 160, 640, 1280, 5000]
TEST = 2000


def mnist(classes, seed=20170604):
    """Training and test rows of the classes: n rows are a nearly balanced prefix, as in the harness."""
    read = lambda name, skip: np.frombuffer(gzip.decompress((ROOT / "data/mnist" / name).read_bytes())[skip:], np.uint8)
    rng = np.random.default_rng(seed)
    out = []
    for part, count in (("train", max(SIZES)), ("t10k", TEST)):
        x = read(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 784)
        y = read(f"{part}-labels-idx1-ubyte.gz", 8)
        queues = [list(rng.permutation(np.flatnonzero(y == c))) for c in classes]
        order = []
        while len(order) < count and any(queues):
            order += [queue.pop() for queue in queues if queue]
        order = np.array(order[:count])
        labels = np.searchsorted(classes, y[order]).astype(np.uint8)
        out += [(x[order] / np.float32(255)).astype(np.float32), labels]
    return out


TASKS = {"0v1": [0, 1], "3v5": [3, 5], "4v9": [4, 9], "ten": list(range(10))}


class Selected:
    """The k columns of largest F, then a model on them."""

    def __init__(self, model, k=10):
        from sklearn.feature_selection import SelectKBest, f_classif
        self.select, self.model = SelectKBest(f_classif, k=k), model

    def fit(self, x, y):
        self.model.fit(self.select.fit_transform(x, y), y)
        return self

    def predict(self, x):
        return self.model.predict(self.select.transform(x))


class LeastSquares:
    """Indicators of the classes regressed on the features."""

    def fit(self, x, y):
        from sklearn.linear_model import LinearRegression
        self.binary = y.max() == 1
        targets = y.astype(x.dtype) if self.binary else np.eye(10, dtype=x.dtype)[y]
        self.model = LinearRegression().fit(x, targets)
        return self

    def predict(self, x):
        out = self.model.predict(x)
        return (out > 0.5).astype(np.uint8) if self.binary else out.argmax(axis=1)


class Intersection:
    """A support vector machine on the histogram-intersection kernel."""

    def fit(self, x, y):
        from sklearn.svm import SVC
        self.x, self.model = x, SVC(kernel="precomputed")
        self.model.fit(self.kernel(x), y)
        return self

    def kernel(self, x):
        return np.array([np.minimum(row, self.x).sum(axis=1) for row in x])

    def predict(self, x):
        return self.model.predict(self.kernel(x))


class Mahalanobis:
    """Neighbours by the Mahalanobis distance of a shrunk pooled within-class covariance."""

    def fit(self, x, y):
        from sklearn.covariance import LedoitWolf
        from sklearn.neighbors import KNeighborsClassifier
        means = np.array([x[y == c].mean(axis=0) for c in np.unique(y)])
        inverse = LedoitWolf(assume_centered=True).fit(x - means[y]).precision_
        self.model = KNeighborsClassifier(1, metric="mahalanobis", metric_params={"VI": inverse}, algorithm="brute")
        self.model.fit(x, y)
        return self

    def predict(self, x):
        return self.model.predict(x)


def models():
    """Per model: our kind and settings, scikit-learn's model, and the largest n that is worth the wait."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import (AdaBoostClassifier, ExtraTreesClassifier, GradientBoostingClassifier,
                                  RandomForestClassifier)
    from sklearn.gaussian_process import GaussianProcessClassifier
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    process = lambda optimizer: GaussianProcessClassifier(
        ConstantKernel(1.0) * RBF(10.0), optimizer=optimizer)
    all_sizes, some = 5000, 640
    return {
        "majority": ("majority", DummyClassifier, all_sizes),
        "linear": ("linear-regression", LeastSquares, all_sizes),
        "leekasso": ("linear-regression top_k=10", lambda: Selected(LeastSquares()), all_sizes),
        "logistic": ("logistic-regression", lambda: LogisticRegression(max_iter=1000), all_sizes),
        "leekasso-logistic": ("logistic-regression top_k=10", lambda: Selected(LogisticRegression()), all_sizes),
        "lda": ("lda", lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"), all_sizes),
        "svm-linear": ("svm kernel=linear", lambda: SVC(kernel="linear"), all_sizes),
        "svm-rbf": ("svm", SVC, all_sizes),
        "svm-polynomial": ("svm kernel=polynomial offset=1", lambda: SVC(kernel="poly", coef0=1.0), all_sizes),
        "svm-intersection": ("svm kernel=histogram-intersection", Intersection, all_sizes),
        "knn-1": ("knn k=1", lambda: KNeighborsClassifier(1), all_sizes),
        "knn-5": ("knn k=5 weights=distance", lambda: KNeighborsClassifier(5, weights="distance"), all_sizes),
        "knn-mahalanobis": ("knn k=1 metric=mahalanobis", Mahalanobis, 40),
        "bayes-gaussian": ("naive-bayes", lambda: GaussianNB(var_smoothing=0.1), all_sizes),
        "bayes-bernoulli": ("naive-bayes distribution=bernoulli", lambda: BernoulliNB(binarize=0.5), all_sizes),
        "bayes-multinomial": ("naive-bayes distribution=multinomial", MultinomialNB, all_sizes),
        "decision-tree": ("decision-tree", DecisionTreeClassifier, all_sizes),
        "random-forest": ("random-forest", RandomForestClassifier, all_sizes),
        "extra-trees": ("extra-trees", ExtraTreesClassifier, all_sizes),
        "gradient-boosting": (
            "gradient-boosting", lambda: GradientBoostingClassifier(max_features="sqrt"), all_sizes),
        "gradient-boosting-all": (
            "gradient-boosting max_features=all", GradientBoostingClassifier, some),
        "adaboost": ("adaboost", AdaBoostClassifier, all_sizes),
        "gaussian-process": ("gaussian-process", lambda: process("fmin_l_bfgs_b"), some),
        "gaussian-process-fixed": (
            "gaussian-process length_scale=10 variance=1", lambda: process(None), 1280),
    }


def theirs(make, data, n):
    x, y, x_test, y_test = data
    begin = time.process_time()
    model = make().fit(x[:n], y[:n])
    fitted = time.process_time()
    labels = model.predict(x_test)
    done = time.process_time()
    return fitted - begin, done - fitted, int((labels == y_test).sum())


class Ours:
    """The example program, asked line by line."""

    def __init__(self, program, folder):
        self.process = subprocess.Popen([program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, task, n, kind):
        self.process.stdin.write(f"{task} {n} 1 {kind}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer or answer.startswith("error"):
            raise RuntimeError(answer.strip() or "our program ended")
        fit, predict, right = answer.split()
        return float(fit), float(predict), int(right)


def build():
    command = ["cargo", "build", "--locked", "-p", "models", "--example", "peer", "--message-format=short"]
    subprocess.run(command, check=True, cwd=ROOT)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return str(target / "debug/examples/peer")


def write(folder, task, classes):
    x, y, x_test, y_test = data = mnist(classes)
    for end, array in (("train", x), ("labels", y), ("test", x_test), ("truth", y_test)):
        (folder / f"{task}.{end}").write_bytes(np.ascontiguousarray(array).tobytes())
    (folder / f"{task}.shape").write_text(f"28 28 {len(classes)}")
    return data


def compare(ours, task, name, data, n, seconds):
    """The least times of both sides, in turn, within about so many seconds and in three rounds at least."""
    kind, make, _ = MODELS[name]
    best = [[float("inf")] * 2, [float("inf")] * 2]
    right, begin, rounds = [0, 0], time.monotonic(), 0
    while rounds < 1 or (time.monotonic() - begin) * (rounds + 1) / rounds < seconds and rounds < 30:
        for side, run in enumerate((lambda: ours.run(task, n, kind), lambda: theirs(make, data, n))):
            fit, predict, right[side] = run()
            best[side] = [min(best[side][0], fit), min(best[side][1], predict)]
        rounds += 1
    return best, right, rounds


def peak_of(arguments, text=None):
    """The peak resident memory, in MiB, of a program of its own."""
    watch = ("import resource, subprocess, sys\n"
             "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
             "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)")
    done = subprocess.run([sys.executable, "-c", watch, *arguments], input=text, text=True, capture_output=True, check=True)
    return float(done.stdout)


def memory(program, folder, task, name, n):
    """Peak MiB of ours and of scikit-learn's, each with its process before the fit: the majority class."""
    alone = [sys.executable, __file__, "--alone", f"{folder},{task},{n}"]
    return [peak_of([program, str(folder)], f"{task} {n} 1 {MODELS[m][0]}\n") for m in (name, "majority")] + [
        peak_of([*alone, "--models", m]) for m in (name, "majority")]


def alone(arguments, name):
    """One fit and prediction, for its memory."""
    folder, task, n = arguments.split(",")
    read = lambda end, kind: np.fromfile(Path(folder) / f"{task}.{end}", kind)
    data = (read("train", np.float32).reshape(-1, 784), read("labels", np.uint8),
            read("test", np.float32).reshape(-1, 784), read("truth", np.uint8))
    theirs(MODELS[name][1], data, int(n))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", help="names with commas between; all")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--tasks", default="0v1,ten", help=f"of {', '.join(TASKS)}")
    parser.add_argument("--seconds", type=float, default=4.0, help="wall time to spend on a cell; one round at least")
    parser.add_argument("--memory", action="store_true", help="compare peak memory instead of time")
    parser.add_argument("--program", help="our example, already built")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    names = options.models.split(",") if options.models else list(MODELS)
    for name in names:
        if name not in MODELS:
            parser.error(f"no model {name}; there are {', '.join(MODELS)}")
    if options.alone:
        return alone(options.alone, names[0])
    sizes = [int(n) for n in options.sizes.split(",")]
    program = options.program or build()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        ours = Ours(program, folder)
        for task in options.tasks.split(","):
            data = write(folder, task, TASKS[task])
            print(f"{task:22s} " + "".join(f"{n:>16d}" for n in sizes), flush=True)
            for name in names:
                line, notes = f"{name:22s} ", []
                for n in sizes:
                    if n > MODELS[name][2]:
                        line += f"{'-':>16s}"
                        continue
                    try:
                        if options.memory:
                            a, a0, b, b0 = memory(program, folder, task, name, n)
                            line += f"{f'{a:.0f}({a0:.0f})/{b:.0f}({b0:.0f})':>16s}"
                            continue
                        best, right, rounds = compare(ours, task, name, data, n, options.seconds)
                        ratios = [a / max(b, 1e-9) for a, b in zip(*best)]
                        line += f"{ratios[0]:>9.3f}/{ratios[1]:<6.3f}"
                        notes.append(f"n={n}: ours {best[0][0]*1e3:.2f}+{best[0][1]*1e3:.2f} ms {right[0]/TEST:.4f}, "
                                     f"theirs {best[1][0]*1e3:.2f}+{best[1][1]*1e3:.2f} ms {right[1]/TEST:.4f}, "
                                     f"{rounds} rounds")
                    except (RuntimeError, ValueError, subprocess.CalledProcessError) as error:
                        line += f"{'error':>16s}"
                        notes.append(f"n={n}: {error}")
                        if ours.process.poll() is not None:
                            ours = Ours(program, folder)
                print(line, flush=True)
                for note in notes:
                    print(f"    {note}", flush=True)


MODELS = models()

if __name__ == "__main__":
    main()
