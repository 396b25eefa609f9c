"""The kinds `mlp` and `cnn` in PyTorch, with the same keys, defaults and initialisers, for parity studies.

    [[model]]
    name = "torch-cnn"
    kind = "runner"
    command = ["python3", "scripts/runners/torch_runner.py", "cnn"]
    version = ["python3", "scripts/runners/torch_runner.py", "--version"]
    params = { conv = [8, 16], kernel = 5, epochs = 60 }

Keys of `params`: hidden, conv, kernel, dense, dropout, learning_rate, batch_size, epochs. Adam, ReLU. Needs PyTorch.
"""

import math
import sys

import numpy
import torch
from torch import nn

from protocol import serve

torch.set_num_threads(1)  # the harness runs several trials side by side


def dense(layers, width, sizes, classes, dropout):
    for size in sizes:
        layers += [nn.Linear(width, size), nn.ReLU()]
        layers += [nn.Dropout(dropout)] if dropout else []
        width = size
    layers.append(nn.Linear(width, classes))


def network(shape, classes, params):
    height, width, channels = shape
    dropout = params.get("dropout", 0.5 if sys.argv[1] == "mlp" else 0.0)
    layers = []
    if sys.argv[1] == "mlp":
        layers.append(nn.Flatten())
        dense(layers, height * width * channels, params.get("hidden", [128, 128]), classes, dropout)
        return nn.Sequential(*layers)
    kernel = params.get("kernel", 5)
    for filters in params.get("conv", [8, 16]):
        layers += [nn.Conv2d(channels, filters, kernel), nn.ReLU(), nn.MaxPool2d(2)]
        height, width, channels = (height - kernel + 1) // 2, (width - kernel + 1) // 2, filters
    layers.append(nn.Flatten())
    dense(layers, height * width * channels, params.get("dense", []), classes, dropout)
    return nn.Sequential(*layers)


def images(x, shape):
    height, width, channels = shape
    return torch.from_numpy(numpy.array(x)).reshape(-1, height, width, channels).permute(0, 3, 1, 2)


def fit(x, y, seed, classes, shape, params):
    torch.manual_seed(seed)
    net = network(shape, classes, params)
    inputs, labels = images(x, shape), torch.from_numpy(y.astype(numpy.int64))
    optimizer = torch.optim.Adam(net.parameters(), lr=params.get("learning_rate", 1e-3))
    loss_of = nn.CrossEntropyLoss()
    batch, epochs = params.get("batch_size", 32), params.get("epochs", 60)
    net.train()
    for _ in range(epochs):
        order = torch.randperm(len(inputs))
        for start in range(0, len(inputs), batch):
            rows = order[start : start + batch]
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(net(inputs[rows]), labels[rows])
            loss.backward()
            optimizer.step()
    return (net.eval(), shape), epochs * math.ceil(len(inputs) / batch)


def predict(model, x):
    net, shape = model
    with torch.no_grad():
        probabilities = torch.softmax(net(images(x, shape)), 1).numpy()
    return probabilities.argmax(1), probabilities


if __name__ == "__main__":
    serve("PyTorch", torch.__version__, fit, predict)
