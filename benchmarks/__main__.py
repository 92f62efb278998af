"""``python -m benchmarks [NAME ...]``: run benchmarks, a line of JSON each; all without a name."""

import json
import sys

from benchmarks import arrays, batch, data, downloads, environments, plans, reuse, starts

BENCHMARKS = {
    "array": arrays.array,
    "submit": arrays.submit,
    "status": arrays.status,
    "values": arrays.values,
    "import": starts.import_,
    "first-result": starts.first_result,
    "warm-packages": starts.warm_packages,
    "environment": environments.environment,
    "download": downloads.download,
    "files": data.files,
    "inputs": data.inputs,
    "batch-requests": batch.batch_requests,
    "container-start": batch.container_start,
    "plan": plans.plan,
    "plan-reuse": plans.plan_with_reuse,
    "reuse": reuse.reuse,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.stderr.write(f"no benchmark is called {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}\n")
        return 2
    for name in names or BENCHMARKS:
        print(json.dumps(BENCHMARKS[name]()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
