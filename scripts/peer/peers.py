"""What nets.py and parity.py share: MNIST pairs, our side as a process that answers requests, and the nets in PyTorch."""

import gzip
import json
import pathlib
import struct
import subprocess
import time

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
NETS = ("beam-cnn", "small-cnn", "mlp")
BATCH = 32


def mnist(part, classes):
    """Images (count x 28 x 28, bytes) and labels (position in `classes`) of part `train` or `t10k`."""
    folder = ROOT / "data/mnist"
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as file:
        images = numpy.frombuffer(file.read(), numpy.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        digits = numpy.frombuffer(file.read(), numpy.uint8, offset=8)
    of_class = [numpy.flatnonzero(digits == digit) for digit in classes]
    rows = numpy.sort(numpy.concatenate(of_class))
    labels = numpy.searchsorted(numpy.array(classes), digits[rows]).astype(numpy.uint8)
    return images[rows], labels


def balanced(labels, count, generator):
    """`count` rows, as many of each class up to one, drawn without replacement."""
    classes = int(labels.max()) + 1
    rows = [
        generator.permutation(numpy.flatnonzero(labels == label))[: (count + classes - 1 - label) // classes]
        for label in range(classes)
    ]
    return generator.permutation(numpy.concatenate(rows))


def write_examples(folder, train, test):
    """Files of images and labels, as crates/nn/examples/nets_peer.rs reads them; their paths."""
    paths = []
    for name, (images, labels) in (("train", train), ("test", test)):
        path = pathlib.Path(folder) / name
        path.write_bytes(struct.pack("<3I", *images.shape) + images.tobytes() + labels.tobytes())
        paths.append(path)
    return paths


def read_examples(path):
    """What `write_examples` wrote."""
    header, body = path.read_bytes()[:12], numpy.frombuffer(path.read_bytes(), numpy.uint8, offset=12)
    count, height, width = struct.unpack("<3I", header)
    return body[: count * height * width].reshape(count, height, width), body[count * height * width :]


def built(package, *what):
    """The path of a program of the workspace, built."""
    subprocess.run(["cargo", "build", "-q", "-p", package, *what], cwd=ROOT, check=True)
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    folder = pathlib.Path(metadata["target_directory"]) / "debug"
    return folder / "examples" / what[1] if what[0] == "--example" else folder / what[1]


class Peer:
    """A process that answers requests, a line each: crates/nn/examples/nets_peer.rs says which."""

    def __init__(self, command, examples):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ask("data", *examples)

    def send(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def receive(self):
        """The numbers of an answer."""
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.process.args[0]} has ended")
        return [float(word) for word in answer.split()]

    def ask(self, *words):
        self.send(*words)
        return self.receive()

    def fit(self, net, epochs, seed, rows):
        """Test accuracy, and wall and CPU seconds of the fit."""
        return self.ask("fit", net, epochs, seed, ",".join(map(str, rows)))

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def ours(examples):
    """The native engine."""
    return Peer([built("nn", "--example", "nets_peer")], examples)


def torch_net(name):
    """The net in PyTorch, channels last where there are images, with PyTorch's own initialisation."""
    import torch
    from torch import nn

    if name == "mlp":
        hidden = [nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 128), nn.ReLU(), nn.Dropout(0.5)]
        return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(128, 2))
    if name == "small-cnn":
        blocks = [nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
        net = nn.Sequential(*blocks, nn.Flatten(), nn.Linear(256, 2))
    else:
        first = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.MaxPool2d(2)]
        second = [nn.Conv2d(32, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU(), nn.MaxPool2d(2)]
        head = [nn.Flatten(), nn.Dropout(0.2), nn.Linear(1024, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 2)]
        net = nn.Sequential(*first, *second, *head)
    return net.to(memory_format=torch.channels_last)


def torch_images(images):
    """Images as PyTorch takes them: float32 in [0, 1], channels last."""
    import torch

    values = torch.from_numpy(images.astype(numpy.float32) / numpy.float32(255)).unsqueeze(1)
    return values.contiguous(memory_format=torch.channels_last)


def torch_fit(name, epochs, seed, images, labels):
    """A trained net, and wall and CPU seconds of the fit (of the whole process: all threads)."""
    import torch

    wall, cpu = time.perf_counter(), time.process_time()
    torch.manual_seed(seed)
    net = torch_net(name).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    loss = torch.nn.CrossEntropyLoss()
    for _ in range(epochs):
        order = torch.randperm(len(labels))
        for first in range(0, len(labels), BATCH):
            rows = order[first : first + BATCH]
            optimizer.zero_grad(set_to_none=True)
            loss(net(images[rows]), labels[rows]).backward()
            optimizer.step()
    return net, time.perf_counter() - wall, time.process_time() - cpu


def torch_accuracy(net, images, labels):
    """The share of rows predicted right, dropout off."""
    import torch

    with torch.inference_mode():
        return (net.eval()(images).argmax(1) == labels).float().mean().item()
