#!/usr/bin/env python3
"""Whether our nets are PyTorch's in distribution: the same training rows, the same test images, each library's own draws.

For each net, n and seed, both train on the same n digits 4 and 9 of the official training set (as many of each) and are
scored on the same 1,000 of the test set. Single runs differ: initialisation, order and dropout come from other
generators, and rounding alone makes trajectories part. What must agree is the mean over seeds. Printed per cell: both
means, the paired difference with its 95 % interval (Student's t), and p after Holm over all cells.

Epochs are fewer at larger n, so that the whole takes under an hour of one core, and seeds more at smaller n, where single
runs differ most: see EPOCHS and SEEDS. Fits are appended to the CSV file as they end, and one that is there is not run
again.

    python3 scripts/peer/parity.py [--csv scripts/peer/parity.csv]

Needs PyTorch, SciPy and numpy (written with 2.15, 1.17 and 2.4).
"""

import argparse
import csv
import pathlib
import statistics
import tempfile

import numpy

import peers

CLASSES = (4, 9)
SIZES = (10, 40, 160, 640)
EPOCHS = {
    "beam-cnn": dict(zip(SIZES, (60, 60, 20, 8))),
    "small-cnn": dict(zip(SIZES, (60, 60, 60, 30))),
    "mlp": dict(zip(SIZES, (60, 60, 60, 60))),
}
SEEDS = {
    "beam-cnn": dict(zip(SIZES, (120, 120, 40, 40))),
    "small-cnn": dict(zip(SIZES, (120, 60, 40, 40))),
    "mlp": dict(zip(SIZES, (120, 60, 40, 40))),
}
TEST = 1000
COLUMNS = ("net", "n", "seed", "epochs", "ours", "pytorch")


def run(path):
    """Appends what the file lacks."""
    import torch

    torch.set_num_threads(1)
    done = {(net, int(n), int(seed)) for net, n, seed, *_ in read(path)}
    images, labels = peers.mnist("train", CLASSES)
    test_images, test_labels = peers.mnist("t10k", CLASSES)
    chosen = peers.balanced(test_labels, TEST, numpy.random.default_rng(0))
    test_images, test_labels = test_images[chosen], test_labels[chosen]
    torch_test = peers.torch_images(test_images), torch.from_numpy(test_labels.astype(numpy.int64))
    with tempfile.TemporaryDirectory() as folder, open(path, "a", newline="") as file:
        ours = peers.ours(peers.write_examples(folder, (images, labels), (test_images, test_labels)))
        out = csv.writer(file, lineterminator="\n")
        if file.tell() == 0:
            out.writerow(COLUMNS)
        for seed in range(1, 1 + max(max(of.values()) for of in SEEDS.values())):
            for net in peers.NETS:
                for n in SIZES:
                    if seed > SEEDS[net][n] or (net, n, seed) in done:
                        continue
                    epochs = EPOCHS[net][n]
                    rows = peers.balanced(labels, n, numpy.random.default_rng((seed, n)))
                    accuracy, *_ = ours.fit(net, epochs, seed, rows)
                    targets = torch.from_numpy(labels[rows].astype(numpy.int64))
                    theirs, *_ = peers.torch_fit(net, epochs, seed, peers.torch_images(images[rows]), targets)
                    theirs = peers.torch_accuracy(theirs, *torch_test)
                    out.writerow((net, n, seed, epochs, f"{accuracy:.4f}", f"{theirs:.4f}"))
                    file.flush()


def read(path):
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.reader(file))[1:]


def table(path):
    """The table in Markdown."""
    from scipy.stats import t

    cells = []
    for net in peers.NETS:
        for n in SIZES:
            pairs = [(float(a), float(b)) for name, size, _, _, a, b in read(path) if (name, int(size)) == (net, n)]
            if len(pairs) < 2:
                continue
            differences = [a - b for a, b in pairs]
            mean = statistics.fmean(differences)
            error = statistics.stdev(differences) / len(pairs) ** 0.5
            half = t.ppf(0.975, len(pairs) - 1) * error
            p = float(2 * t.sf(abs(mean / error), len(pairs) - 1)) if error > 0 else 1.0
            means = (statistics.fmean(a for a, _ in pairs), statistics.fmean(b for _, b in pairs))
            cells.append([net, n, len(pairs), means, mean, half, p])
    holm, running = {}, 0.0
    for rank, cell in enumerate(sorted(cells, key=lambda cell: cell[6])):
        running = max(running, min(1.0, cell[6] * (len(cells) - rank)))
        holm[cell[0], cell[1]] = running
    lines = [
        "| net | n | epochs | seeds | ours | PyTorch | difference, points | 95 % interval | p (Holm) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for net, n, seeds, (a, b), mean, half, _ in cells:
        interval = f"{100 * (mean - half):+.2f} … {100 * (mean + half):+.2f}"
        lines.append(
            f"| {net} | {n} | {EPOCHS[net][n]} | {seeds} | {100 * a:.2f} % | {100 * b:.2f} % "
            f"| {100 * mean:+.2f} | {interval} | {holm[net, n]:.2f} |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", type=pathlib.Path, default=pathlib.Path(__file__).with_name("parity.csv"))
    arguments = parser.parse_args()
    try:
        run(arguments.csv)
    except ImportError as missing:
        raise SystemExit(f"{missing.name} is missing: pip install torch scipy numpy") from None
    print(table(arguments.csv))


if __name__ == "__main__":
    main()
