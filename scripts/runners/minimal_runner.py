"""The runner protocol in the standard library alone: a nearest-centroid classifier, as a template (FORMAT.md)."""
import array, json, struct, sys

def read():
    lengths = sys.stdin.buffer.read(12)
    if len(lengths) < 12:
        sys.exit(0)  # the harness has gone
    header, payload = struct.unpack("<IQ", lengths)
    return json.loads(sys.stdin.buffer.read(header)), sys.stdin.buffer.read(payload)

def write(header, payload=b""):
    header = json.dumps(header).encode()
    sys.stdout.buffer.write(struct.pack("<IQ", len(header), len(payload)) + header + payload)
    sys.stdout.buffer.flush()

def rows(values, columns):
    return [values[i : i + columns] for i in range(0, len(values), columns)]

if "--version" in sys.argv:
    sys.exit(print("minimal-runner 1"))
while True:
    header, payload = read()
    if header["op"] == "hello":
        write({"protocol": 1, "name": "nearest centroid", "version": "1"})
    elif header["op"] == "fit":
        count = 4 * header["rows"] * header["columns"]
        x, y = array.array("f", payload[:count]), array.array("I", payload[count:])
        members = [[] for _ in range(header["classes"])]
        for row, label in zip(rows(x, header["columns"]), y):
            members[label].append(row)
        centroids = [[sum(column) / len(some) for column in zip(*some)] for some in members]
        write({})
    elif header["op"] == "predict":
        distance = lambda row, c: sum((a - b) ** 2 for a, b in zip(row, c))
        nearest = lambda row: min(range(len(centroids)), key=lambda k: distance(row, centroids[k]))
        x = array.array("f", payload)
        write({}, array.array("I", map(nearest, rows(x, header["columns"]))).tobytes())
