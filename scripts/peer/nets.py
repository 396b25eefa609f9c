#!/usr/bin/env python3
"""Our nets' speed against PyTorch at its best (channels last, fused Adam) and JAX's jit, in one interleaved run.

Every fit runs in a process that stays, one of each side after the other, several times over, so that all meet the machine
in the same state; CPU seconds are those of the whole process during the fit. Printed per case: the ratio ours / theirs of
the fastest repetitions, and the median of the ratios of neighbours, for CPU and wall time. Two fits side by side, one per
core and a tenth as long, are held against two processes of PyTorch, and against its two threads, one fit after the other:
those wait for each other busily, so their figures mean something on a quiet machine only. Last, the peak memory of a sweep
of two workers over the same nets. The share of the core's peak that each layer reaches is `cargo bench -p nn`'s.

    python3 scripts/peer/nets.py [--repetitions 5] [--epochs 200]

Needs PyTorch; the perceptron's second peer needs JAX, and is left out with a line that says so where it is missing. Written
with PyTorch 2.15 and JAX 0.10.
"""

import argparse
import importlib.util
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy

import peers

WORKER = pathlib.Path(__file__).with_name("worker.py")
CASES = (
    # name, net, n, goal of ours / PyTorch
    ("Beam CNN, n = 20", "beam-cnn", 20, 0.45),
    ("Beam CNN, n = 80", "beam-cnn", 80, 0.45),
    ("small CNN 8-16 conv5, n = 80", "small-cnn", 80, 0.30),
    ("MLP 784-128-128, n = 80", "mlp", 80, 0.30),
)
MEMORY = """name = "memory"
seed = 1

[dataset]
name = "mnist"
classes = [4, 9]

[protocol]
kind = "repeated-cv"
sizes = [80, 1280]
repeats = 1
folds = 5
test_size = 2000

[[model]]
name = "beam-cnn"
kind = "cnn"
conv = [32, 64]
kernel = 3
convs_per_block = 2
flatten_dropout = 0.2
dense = [128]
dropout = 0.5
epochs = 2

[[model]]
name = "cnn"
kind = "cnn"
epochs = 5

[[model]]
name = "mlp"
kind = "mlp"
epochs = 5
"""


def report(name, peer, ours, theirs, goal):
    """One line of the table, from (wall, CPU) of neighbouring repetitions."""
    cells = [name, peer]
    for which in (1, 0):
        best = min(a[which] for a in ours) / min(b[which] for b in theirs)
        middle = statistics.median(a[which] / b[which] for a, b in zip(ours, theirs))
        cells += [f"{best:.2f}", f"{middle:.2f}"]
    best = min(a[1] for a in ours)
    print("| " + " | ".join(cells + [f"≤ {goal:.2f}", f"{1e3 * best:.0f}"]) + " |", flush=True)


def one_by_one(sides, ask, repetitions):
    """(wall, CPU) of each side's repetitions, interleaved; the first of all is a warm-up."""
    results = {name: [] for name in sides}
    for repetition in range(repetitions + 1):
        for name, side in sides.items():
            *_, wall, cpu = ask(side, repetition)
            if repetition > 0:
                results[name].append((wall, cpu))
    return results


def side_by_side(pairs, requests, repetitions):
    """Wall seconds for two fits: of two processes at a time, or of one process one after the other."""
    results = {name: [] for name in pairs}
    for repetition in range(repetitions + 1):
        for name, processes in pairs.items():
            begin = os.times()[4]
            if len(processes) == 2:
                for process, request in zip(processes, requests):
                    process.send(*request)
                cpu = sum(process.receive()[-1] for process in processes)
            else:
                cpu = sum(processes[0].ask(*request)[-1] for request in requests)
            if repetition > 0:
                results[name].append((os.times()[4] - begin, cpu))
    return results


def peak_memory():
    """MiB of a sweep of two workers."""
    bench = peers.built("bench", "--bin", "bench")
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "memory.toml").write_text(MEMORY)
        command = [bench, "sweep", f"{folder}/memory.toml", "--out", f"{folder}/out", "--jobs", "2", "--quiet"]
        process = subprocess.Popen(command, cwd=peers.ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            raise SystemExit("the sweep failed")
        return usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--no-memory", action="store_true", help="leave the sweep out, which builds the whole harness")
    arguments = parser.parse_args()
    if importlib.util.find_spec("torch") is None:
        raise SystemExit("torch is missing: pip install torch numpy jax")
    images, labels = peers.mnist("train", (0, 1))
    test = [part[:2000] for part in peers.mnist("t10k", (0, 1))]
    with tempfile.TemporaryDirectory() as folder:
        examples = peers.write_examples(folder, (images, labels), test)
        worker = lambda *words: peers.Peer([sys.executable, WORKER, *words], examples)
        sides = {"ours": peers.ours(examples), "PyTorch": worker("torch", "1")}
        if importlib.util.find_spec("jax") is None:
            print("jax is missing (pip install jax): the perceptron meets PyTorch alone")
        else:
            sides["JAX jit"] = worker("jax")
        print("| case | peer | CPU, fastest | CPU, median | wall, fastest | wall, median | goal | ours, CPU ms |")
        print("|---|---|---|---|---|---|---|---|")
        for name, net, n, goal in CASES:
            rows = peers.balanced(labels, n, numpy.random.default_rng(n))
            chosen = {key: side for key, side in sides.items() if key != "JAX jit" or net == "mlp"}
            fit = lambda side, seed: side.fit(net, arguments.epochs, seed, rows)
            results = one_by_one(chosen, fit, arguments.repetitions)
            for peer in list(chosen)[1:]:
                report(name, peer, results["ours"], results[peer], 1.0 if peer == "JAX jit" else goal)
        pair = {key: sides[key] for key in ("ours", "PyTorch")}
        results = one_by_one(pair, lambda side, _: side.ask("score", "beam-cnn"), 2 * arguments.repetitions)
        count = len(test[1])
        report(f"evaluation of {count} images, Beam CNN", "PyTorch", results["ours"], results["PyTorch"], 0.35)

        pairs = {
            "ours": [sides["ours"], peers.ours(examples)],
            "PyTorch, two processes": [sides["PyTorch"], worker("torch", "1")],
            "PyTorch, two threads": [worker("torch", "2")],
        }
        for name, net, n, goal in CASES:
            rows = ",".join(map(str, peers.balanced(labels, n, numpy.random.default_rng(n))))
            epochs = max(1, arguments.epochs // 10)
            requests = [("fit", net, epochs, seed, rows) for seed in (1, 2)]
            results = side_by_side(pairs, requests, max(1, arguments.repetitions // 2))
            for peer in list(pairs)[1:]:
                report(f"two fits: {name}", peer, results["ours"], results[peer], goal)
    if arguments.no_memory:
        return
    print(f"\npeak memory of a sweep of two workers: {peak_memory():.0f} MiB (goal: at most 150)")


if __name__ == "__main__":
    main()
