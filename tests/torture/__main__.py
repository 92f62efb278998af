"""``make torture``: episodes one after the other for so many seconds; the first that fails ends it.

    python -m torture --seed 17 --seconds 900 --scene s3 --kinds kill,stop

Each episode runs in a process of its own (on a small disk: in a mount namespace too, which needs Linux).
"""

import argparse
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from torture import episode
from torture.weather import KINDS, OFF, SCENES

DISK = "size=48m,nr_inodes=6000,mode=0700"
EPISODE_SECONDS = 420.0
"""After so long an episode is ended: more than all its bounds together."""


def main() -> int:
    asked = _arguments()
    if asked.episode is not None:
        return episode.main(asked.seed, asked.scenes[0], asked.kinds, asked.weather, asked.episode)
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="torture-"))
    if not (folder / "runtimes").exists():
        (folder / "runtimes").mkdir(mode=0o700)
    end = time.monotonic() + asked.seconds
    seed = asked.seed
    while True:
        scene = episode.scene_of(seed, asked.scenes)
        begin = time.monotonic()
        code = _run(seed, scene, asked, folder / f"{seed}")
        print(
            f"seed {seed}, {scene}: {'held' if code == 0 else 'FAILED'}, {time.monotonic() - begin:.0f} s",
            flush=True,
        )
        if code != 0:
            scenes, kinds = ",".join(asked.scenes), ",".join(asked.kinds)
            print(
                f"It lies in {folder / str(seed)}. To try it again: "
                f"make torture SEED={seed} SECONDS=1 SCENES={scenes} KINDS={kinds}"
            )
            return 1
        shutil.rmtree(folder / f"{seed}")
        if time.monotonic() >= end:
            break
        seed += 1
    if asked.folder is None:
        shutil.rmtree(folder)
    return 0


def _run(seed: int, scene: str, asked: argparse.Namespace, folder: Path) -> int:
    folder.mkdir()
    command = [sys.executable, "-m", "torture", "--seed", str(seed), "--scenes", scene]
    command += ["--kinds", ",".join(asked.kinds), "--weather", str(asked.weather), "--episode", str(folder)]
    if scene == "disk":
        (folder / "disk").mkdir()
        mount = (
            f"mount -t tmpfs -o {DISK} none {shlex.quote(str(folder / 'disk'))} && exec {shlex.join(command)}"
        )
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])})
    try:
        return process.wait(EPISODE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--seconds", type=float, default=900.0)
    parser.add_argument("--scenes", type=_names(SCENES), default=list(SCENES))
    parser.add_argument("--kinds", type=_names(KINDS), default=[kind for kind in KINDS if kind not in OFF])
    parser.add_argument("--weather", type=float, default=10.0, help="seconds of weather in an episode")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--episode", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _names(known):
    def parse(text: str) -> list[str]:
        names = [name for name in text.split(",") if name]
        wrong = sorted(set(names) - set(known))
        if wrong:
            raise argparse.ArgumentTypeError(f"{wrong[0]!r} is none of {', '.join(known)}")
        return names

    return parse


if __name__ == "__main__":
    sys.exit(main())
