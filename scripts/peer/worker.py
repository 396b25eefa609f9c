#!/usr/bin/env python3
"""PyTorch's or JAX's side of nets.py: answers the requests of crates/nn/examples/nets_peer.rs, on a given number of threads.

    worker.py torch THREADS | worker.py jax
"""

import os
import pathlib
import sys
import time

import numpy

import peers


class Torch:
    """PyTorch at its best: channels last, fused Adam."""

    def __init__(self, threads):
        import torch

        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        self.torch = torch

    def data(self, train, test):
        self.images, self.labels = self.tensors(*train)
        self.test = self.tensors(*test)

    def tensors(self, images, labels):
        return peers.torch_images(images), self.torch.from_numpy(labels.astype(numpy.int64))

    def fit(self, name, epochs, seed, rows):
        net, wall, cpu = peers.torch_fit(name, epochs, seed, self.images[rows], self.labels[rows])
        return peers.torch_accuracy(net, *self.test), wall, cpu

    def score(self, name):
        net = peers.torch_net(name).eval()
        with self.torch.inference_mode():
            net(self.test[0][:64])
            return timed(lambda: [net(batch) for batch in self.test[0].split(500)])


class Jax:
    """The perceptron as one jitted step with donated buffers; Adam by its formula. One thread."""

    def __init__(self):
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        os.environ["JAX_PLATFORMS"] = "cpu"
        import jax
        import jax.numpy as jnp

        def scores(parameters, x, key, rate):
            for i, (w, b) in enumerate(parameters):
                x = x @ w + b
                if i < len(parameters) - 1:
                    key, mask = jax.random.split(key)
                    kept = jax.random.bernoulli(mask, 1 - rate, x.shape)
                    x = jnp.where(kept, jax.nn.relu(x) / (1 - rate), 0)
            return x

        def loss(parameters, x, y, key):
            log_p = jax.nn.log_softmax(scores(parameters, x, key, 0.5))
            return -jnp.take_along_axis(log_p, y[:, None], 1).mean()

        def step(state, x, y, key):
            parameters, mean, square, t = state
            gradient = jax.grad(loss)(parameters, x, y, key)
            tree = jax.tree_util.tree_map
            t = t + 1
            mean = tree(lambda m, g: 0.9 * m + 0.1 * g, mean, gradient)
            square = tree(lambda s, g: 0.999 * s + 0.001 * g * g, square, gradient)
            update = lambda p, m, s: p - 1e-3 * (m / (1 - 0.9**t)) / (jnp.sqrt(s / (1 - 0.999**t)) + 1e-8)
            return tree(update, parameters, mean, square), mean, square, t

        self.jax, self.jnp = jax, jnp
        self.step = jax.jit(step, donate_argnums=0)

    def data(self, train, _):
        self.images = (train[0].reshape(len(train[0]), -1) / 255).astype(numpy.float32)
        self.labels = train[1].astype(numpy.int32)

    def fit(self, name, epochs, seed, rows):
        """Accuracy is not computed: it is PyTorch's that ours is compared with."""
        assert name == "mlp", "only the perceptron"
        generator = numpy.random.default_rng(seed)
        parameters = []
        for fan_in, fan_out in ((784, 128), (128, 128), (128, 2)):
            bound = fan_in**-0.5
            w, b = (generator.uniform(-bound, bound, shape) for shape in ((fan_in, fan_out), fan_out))
            parameters.append((self.jnp.asarray(w, "float32"), self.jnp.asarray(b, "float32")))
        zeros = lambda: self.jax.tree_util.tree_map(self.jnp.zeros_like, parameters)
        images, labels = self.images[rows], self.labels[rows]
        root = self.jax.random.key(seed)

        def train():
            state, number = (parameters, zeros(), zeros(), 0.0), 0
            for _ in range(epochs):
                order = generator.permutation(len(labels))
                for first in range(0, len(labels), peers.BATCH):
                    batch = order[first : first + peers.BATCH]
                    key = self.jax.random.fold_in(root, number)
                    state = self.step(state, images[batch], labels[batch], key)
                    number += 1
            self.jax.block_until_ready(state)

        return 0.0, *timed(train)


def timed(work):
    """Wall and CPU seconds, of all threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def main():
    side = Jax() if sys.argv[1] == "jax" else Torch(int(sys.argv[2]))
    for line in sys.stdin:
        verb, *words = line.split()
        if verb == "data":
            train, test = (peers.read_examples(pathlib.Path(path)) for path in words)
            side.data(train, test)
            answer = len(train[1]), len(test[1])
        elif verb == "fit":
            net, epochs, seed, rows = words
            answer = side.fit(net, int(epochs), int(seed), [int(row) for row in rows.split(",")])
        else:
            answer = side.score(*words)
        print(*answer, flush=True)


if __name__ == "__main__":
    main()
