"""The runner protocol for Python with NumPy (FORMAT.md): give `serve` two functions, and it does the rest."""

import json
import struct
import sys
import time
import traceback

import numpy

PROTOCOL = 1


def _read():
    lengths = sys.stdin.buffer.read(12)
    if len(lengths) < 12:
        sys.exit(0)  # the harness has gone
    header, payload = struct.unpack("<IQ", lengths)
    return json.loads(sys.stdin.buffer.read(header)), sys.stdin.buffer.read(payload)


def _write(output, header, payload=b""):
    header = json.dumps(header).encode()
    output.write(struct.pack("<IQ", len(header), len(payload)) + header + payload)
    output.flush()


def serve(name, version, fit, predict):
    """Answers the harness until it goes.

    fit(x, y, seed, classes, shape, params) -> (model, steps or None), with x a float32 array of rows × columns
    predict(model, x) -> (labels, probabilities or None)
    """
    if "--version" in sys.argv:
        print(f"{name} {version}")
        return
    output = sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints is no reply
    model = None
    while True:
        header, payload = _read()
        try:
            wall, cpu = time.perf_counter(), time.process_time()
            reply, arrays = {}, b""
            if header["op"] == "hello":
                reply = {"protocol": PROTOCOL, "name": name, "version": version}
            elif header["op"] == "fit":
                rows, columns = header["rows"], header["columns"]
                x = numpy.frombuffer(payload, "<f4", rows * columns).reshape(rows, columns)
                y = numpy.frombuffer(payload, "<u4", rows, 4 * rows * columns)
                more = header["seed"], header["classes"], header["shape"], header["params"]
                model, steps = fit(x, y, *more)
                reply = {} if steps is None else {"steps": steps}
            elif header["op"] == "predict":
                x = numpy.frombuffer(payload, "<f4").reshape(header["rows"], header["columns"])
                labels, probabilities = predict(model, x)
                arrays = numpy.ascontiguousarray(labels, "<u4").tobytes()
                if probabilities is not None:
                    reply["probabilities"] = True
                    arrays += numpy.ascontiguousarray(probabilities, "<f4").tobytes()
            else:
                raise ValueError(f"unknown op {header['op']!r}")
            reply["seconds"] = time.perf_counter() - wall
            reply["cpu_seconds"] = time.process_time() - cpu
            _write(output, reply, arrays)
        except Exception as error:  # the trial fails; the next one may not
            traceback.print_exc()
            _write(output, {"error": f"{type(error).__name__}: {error}"})
