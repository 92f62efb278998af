"""A notebook: its cells are run as __main__, then every row of the table is submitted from it.

python -m zoo.notebook RESULTS [PACKAGE ...]
"""

import sys
from pathlib import Path

from zoo.driver import drive

if __name__ == "__main__":
    for cell in ["jobs", "standard", *(["packages"] if "attrs" in sys.argv else [])]:
        path = Path(__file__).with_name("cells") / f"{cell}.py"
        exec(compile(path.read_text(), path, "exec"), globals())
    drive(globals(), sys.argv[2:], Path(sys.argv[1]))
