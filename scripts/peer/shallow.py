#!/usr/bin/env python3
"""Our shallow models against scikit-learn's: processor time of fit and of prediction, on the same rows, in one run.

    pip install scikit-learn==1.9.1
    python3 scripts/peer/shallow.py [--models lda,svm-rbf] [--sizes 10,160] [--tasks 3v5,ten] [--memory] [--csv FILE]

Prints, per task, model and n, ours / scikit-learn's (below 1: ours takes less) and both accuracies. Each side runs on
one thread, the two in turn, and the least of several times is kept, because other work can only add to a time. Three
rounds at least are run, unless they would take more than five times the seconds meant for a cell: the number of
rounds is printed. Where one round would take longer than --patience, as extrapolated from the size before, the cell
is `not run`. Both sides get the same float32 pixels in [0, 1]; a fit includes what the library does to check its
input. With --memory, each side's peak resident memory for one fit and prediction in a process of its own, with what
the process holds before the fit (the data, and Python's libraries) beside it.

--csv FILE appends every cell to FILE, whose committed result is scripts/peer/shallow.csv: times in milliseconds of
processor time, accuracies as shares of the test rows, memory in MiB.
"""

import argparse
import csv
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


def welch(x, y):
    """The size of Welch's t of each column, for two classes."""
    from scipy.stats import ttest_ind
    return np.nan_to_num(np.abs(ttest_ind(x[y == 0], x[y == 1], equal_var=False).statistic))


class Selected:
    """The k columns of largest F, or of another score, then a model on them."""

    def __init__(self, model, score=None, k=10):
        from sklearn.feature_selection import SelectKBest, f_classif
        self.select, self.model = SelectKBest(score or f_classif, k=k), model

    def fit(self, x, y):
        self.model.fit(self.select.fit_transform(x, y), y)
        return self

    def predict(self, x):
        return self.model.predict(self.select.transform(x))


class LeastSquares:
    """Indicators of the classes regressed on the features; with a penalty, ridge regression."""

    def __init__(self, penalty=None):
        self.penalty = penalty

    def fit(self, x, y):
        from sklearn.linear_model import LinearRegression, Ridge
        self.binary = y.max() == 1
        targets = y.astype(x.dtype) if self.binary else np.eye(10, dtype=x.dtype)[y]
        model = LinearRegression() if self.penalty is None else Ridge(self.penalty)
        self.model = model.fit(x, targets)
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
    """Neighbours by the Mahalanobis distance of a shrunk pooled within-class covariance.

    As Euclidean distances of rows times the Cholesky factor of the precision: scikit-learn's `metric="mahalanobis"`
    gives the same neighbours, and takes hundreds of times as long with 784 columns.
    """

    def fit(self, x, y):
        from sklearn.covariance import LedoitWolf
        from sklearn.neighbors import KNeighborsClassifier
        means = np.array([x[y == c].mean(axis=0) for c in np.unique(y)])
        precision = LedoitWolf(assume_centered=True).fit(x - means[y]).precision_
        self.factor = np.linalg.cholesky(precision.astype(np.float64)).astype(x.dtype)
        self.model = KNeighborsClassifier(1, algorithm="brute").fit(x @ self.factor, y)
        return self

    def predict(self, x):
        return self.model.predict(x @ self.factor)


def models():
    """Per model: our kind and settings, and scikit-learn's model."""
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
    return {
        "majority": ("majority", DummyClassifier),
        "linear": ("linear-regression", LeastSquares),
        "leekasso": ("linear-regression top_k=10", lambda: Selected(LeastSquares())),
        "ridge": ("linear-regression l2=10.0", lambda: LeastSquares(10.0)),
        "leekasso-welch": (
            "linear-regression top_k=10 selection=welch", lambda: Selected(LeastSquares(), welch)),
        "logistic": ("logistic-regression", lambda: LogisticRegression(max_iter=1000)),
        "logistic-unpenalised": (
            "logistic-regression l2=1e-6", lambda: LogisticRegression(C=1e6, max_iter=1000)),
        "leekasso-logistic": ("logistic-regression top_k=10", lambda: Selected(LogisticRegression())),
        "lda": ("lda", lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")),
        "svm-linear": ("svm kernel=linear", lambda: SVC(kernel="linear")),
        "svm-rbf": ("svm", SVC),
        "svm-polynomial": ("svm kernel=polynomial offset=1", lambda: SVC(kernel="poly", coef0=1.0)),
        "svm-intersection": ("svm kernel=histogram-intersection", Intersection),
        "knn-1": ("knn k=1", lambda: KNeighborsClassifier(1)),
        "knn-5": ("knn k=5 weights=distance", lambda: KNeighborsClassifier(5, weights="distance")),
        "knn-mahalanobis": ("knn k=1 metric=mahalanobis", Mahalanobis),
        "bayes-gaussian": ("naive-bayes", lambda: GaussianNB(var_smoothing=0.1)),
        "bayes-bernoulli": ("naive-bayes distribution=bernoulli", lambda: BernoulliNB(binarize=0.5)),
        "bayes-multinomial": ("naive-bayes distribution=multinomial", MultinomialNB),
        "decision-tree": ("decision-tree", DecisionTreeClassifier),
        "random-forest": ("random-forest", RandomForestClassifier),
        "extra-trees": ("extra-trees", ExtraTreesClassifier),
        "gradient-boosting": (
            "gradient-boosting", lambda: GradientBoostingClassifier(max_features="sqrt")),
        "gradient-boosting-all": (
            "gradient-boosting max_features=all", GradientBoostingClassifier),
        "adaboost": ("adaboost", AdaBoostClassifier),
        "gaussian-process": ("gaussian-process", lambda: process("fmin_l_bfgs_b")),
        "gaussian-process-fixed": (
            "gaussian-process length_scale=10 variance=1", lambda: process(None)),
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
        self.program, self.folder = program, folder
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [self.program, str(self.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, task, n, kind):
        self.process.stdin.write(f"{task} {n} 1 {kind}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer or answer.startswith("error"):
            raise RuntimeError(answer.strip().removeprefix("error ") or "our program ended")
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
    """The least times of both sides, in turn, and how many rounds there were: as many as fit into about so many
    seconds, and three at least unless these take five times as long."""
    kind, make = MODELS[name]
    best = [[float("inf")] * 2, [float("inf")] * 2]
    right, begin, rounds = [0, 0], time.monotonic(), 0
    while rounds < 30:
        for side, run in enumerate((lambda: ours.run(task, n, kind), lambda: theirs(make, data, n))):
            fit, predict, right[side] = run()
            best[side] = [min(best[side][0], fit), min(best[side][1], predict)]
        rounds += 1
        after_next = (time.monotonic() - begin) * (rounds + 1) / rounds
        if after_next > seconds * (5 if rounds < 3 else 1):
            break
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


def cell_of(ours, options, folder, task, name, data, n):
    """The numbers of one cell, by column."""
    cell = {"task": task, "model": name, "n": n, "status": "ok"}
    if options.memory:
        peaks = memory(ours.program, folder, task, name, n)
        return cell | {f"{key}_mib": f"{peak:.0f}" for key, peak in zip(
            ("ours", "ours_before", "theirs", "theirs_before"), peaks)}
    best, right, rounds = compare(ours, task, name, data, n, options.seconds)
    for side, (fit, predict), count in zip(("ours", "theirs"), best, right):
        cell |= {f"{side}_fit_ms": f"{fit * 1e3:.3f}", f"{side}_predict_ms": f"{predict * 1e3:.3f}",
                 f"{side}_accuracy": f"{count / len(data[3]):.4f}"}
    ratios = [a / max(b, 1e-9) for a, b in zip(*best)]
    return cell | {"fit_ratio": f"{ratios[0]:.3f}", "predict_ratio": f"{ratios[1]:.3f}", "rounds": rounds}


def shown(cell):
    """A cell in sixteen characters, and what is said below the line."""
    if cell["status"] != "ok":
        return f"{cell['status'][:15]:>16s}", f"n={cell['n']}: {cell['status']}"
    if "ours_mib" in cell:
        text = "{ours_mib}({ours_before_mib})/{theirs_mib}({theirs_before_mib})".format(**cell)
        return f"{text:>16s}", None
    return "{fit_ratio:>9s}/{predict_ratio:<6s}".format(**cell), (
        "n={n}: ours {ours_fit_ms}+{ours_predict_ms} ms {ours_accuracy}, theirs {theirs_fit_ms}+{theirs_predict_ms} ms "
        "{theirs_accuracy}, {rounds} rounds".format(**cell))


class Row:
    """The cells of one model in one task, from the smallest n up, until a round would take too long."""

    def __init__(self, options, folder, ours):
        self.options, self.folder, self.ours = options, folder, ours
        self.last = None

    def too_long(self, n):
        """Seconds that a round would take, growing with the square of n, if that is too long."""
        if self.last is None:
            return None
        before, seconds = self.last
        expected = seconds * (n / before) ** 2
        return expected if expected > self.options.patience else None

    def cell(self, task, name, data, n):
        expected = self.too_long(n)
        if expected:
            return {"task": task, "model": name, "n": n, "status": f"not run: a round would take {expected:.0f} s"}
        begin = time.monotonic()
        try:
            cell = cell_of(self.ours, self.options, self.folder, task, name, data, n)
        except (RuntimeError, ValueError, np.linalg.LinAlgError, subprocess.CalledProcessError) as error:
            if self.ours.process.poll() is not None:
                self.ours.start()
            return {"task": task, "model": name, "n": n, "status": f"error: {str(error).splitlines()[0]}"}
        self.last = n, (time.monotonic() - begin) / int(cell.get("rounds", 1))
        return cell


TIMES = ["task", "model", "n", "status", "fit_ratio", "predict_ratio", "ours_fit_ms", "ours_predict_ms",
         "ours_accuracy", "theirs_fit_ms", "theirs_predict_ms", "theirs_accuracy", "rounds"]
PEAKS = ["task", "model", "n", "status", "ours_mib", "ours_before_mib", "theirs_mib", "theirs_before_mib"]


class Table:
    """The cells in a file, if one is asked for."""

    def __init__(self, path, columns):
        self.writer = None
        if path:
            new = not Path(path).exists()
            self.file = open(path, "a", newline="")
            self.writer = csv.DictWriter(self.file, columns, restval="", lineterminator="\n")
            if new:
                self.writer.writeheader()

    def add(self, cell):
        if self.writer:
            self.writer.writerow(cell)
            self.file.flush()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", help="names with commas between; all")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--tasks", default="3v5,ten", help=f"of {', '.join(TASKS)}")
    parser.add_argument("--seconds", type=float, default=4.0, help="wall time to spend on a cell")
    parser.add_argument("--patience", type=float, default=60.0, help="most seconds of one round")
    parser.add_argument("--memory", action="store_true", help="compare peak memory instead of time")
    parser.add_argument("--csv", help="a file to add the cells to")
    parser.add_argument("--program", help="our example, already built")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.names = options.models.split(",") if options.models else list(MODELS)
    for name in options.names:
        if name not in MODELS:
            parser.error(f"no model {name}; there are {', '.join(MODELS)}")
    return options


def main():
    options = arguments()
    warnings.simplefilter("ignore")
    if options.alone:
        return alone(options.alone, options.names[0])
    sizes = [int(n) for n in options.sizes.split(",")]
    table = Table(options.csv, PEAKS if options.memory else TIMES)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        ours = Ours(options.program or build(), folder)
        for task in options.tasks.split(","):
            data = write(folder, task, TASKS[task])
            print(f"{task:22s} " + "".join(f"{n:>16d}" for n in sizes), flush=True)
            for name in options.names:
                row, line, notes = Row(options, folder, ours), f"{name:22s} ", []
                for n in sizes:
                    cell = row.cell(task, name, data, n)
                    table.add(cell)
                    text, note = shown(cell)
                    line += text
                    notes += [note] if note else []
                print(line, *(f"    {note}" for note in notes), sep="\n", flush=True)


MODELS = models()

if __name__ == "__main__":
    main()
