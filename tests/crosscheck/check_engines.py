"""Shards of a batch under engines that people have: xargs, GNU parallel with three hosts, a Slurm array with three nodes.

In each a shard is killed and started again; the folders are put together, and the run without --shard ends with every row
once. The hosts are folders of this machine with a state of their own, and the recipes are those of references/batch.md.
xargs always runs; without GNU parallel or Slurm (Debian's parallel, slurmctld, slurmd, munge; as root) its check is skipped.

`python3 -m unittest discover -s tests/crosscheck -p "check_engines.py"`
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import unittest
from pathlib import Path
from typing import Mapping

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.crosscheck.check_batch import IMAGE, ROOT, Case, Service, service

ROWS = 60
RECIPES = re.findall(r"(?s)```sh\n(.*?)```", (ROOT / "references" / "batch.md").read_text(encoding="utf-8"))
SLURM = ("slurmctld", "slurmd", "munged", "sbatch")
SSH = """#!/bin/sh
# Stands for ssh: a host is a folder with a state of its own. The first command on h2 is killed after a while.
while [ "${1#-}" != "$1" ]; do shift; done
host=$1; shift
[ "$1" != "--" ] || shift
export QIANWEN_STATE_DIR="$HOSTS/$host/state"
mkdir -p "$HOSTS/$host" && cd "$HOSTS/$host" || exit 1
if [ "$host" = h2 ] && mkdir "$HOSTS/killed" 2>/dev/null; then exec timeout -s KILL 3 sh -c "$*"; fi
exec sh -c "$*"
"""
CONFIGURATION = """\
ClusterName=check
SlurmctldHost=localhost
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/linear
ReturnToService=2
MpiDefault=none
SchedulerParameters=sched_interval=1,batch_sched_delay=1
{nodes}PartitionName=all Nodes=n1,n2,n3 Default=YES State=UP
"""


class Engines(Case):
    def setUp(self) -> None:
        super().setUp()
        self.rows(ROWS)

    def recipe(self, word: str) -> str:
        """The block of the reference page that has a word, for this folder and so few rows."""
        found: str = next(block for block in RECIPES if word in block)
        return found.replace("<skill-dir>/scripts/image.py", IMAGE).replace("900", str(ROWS))

    def shell(self, script: str, base: str, **more: str) -> subprocess.CompletedProcess[str]:
        env = {**self.env(base), **more}
        return subprocess.run(
            ["sh", "-c", script], cwd=self.folder, env=env, capture_output=True, text=True, timeout=300
        )

    def ends_whole(self, there: Service) -> None:
        """The run of the whole makes what is left; every row was bought once."""
        code, told = self.run_batch(there.base, "--output", "out", "--max-images", str(ROWS))
        self.assertEqual(told["left"], 0, told)
        states = self.check_folder(ROWS)
        self.assertLessEqual(states["unknown"], 8)
        self.assertEqual(code, 6 if states["unknown"] else 0)
        accepted = there.accepted()
        self.assertEqual(max(accepted.values()), 1)
        self.assertGreaterEqual(len(accepted), states["made"])

    def test_xargs(self) -> None:
        script = self.recipe("xargs")
        killing = 'if [ {} = 2 ] && mkdir killed 2>/dev/null; then exec timeout -s KILL 2 "$@"; fi; exec "$@"'
        once = script.replace("-I{} python3", f"-I{{}} sh -c '{killing}' _ python3")
        with service("--delay", "0.5") as there:
            ran = self.shell(once, there.base)
            self.assertNotEqual(ran.returncode, 0)  # one was killed
            ran = self.shell(script, there.base)
            self.assertIn(ran.returncode, (0, 123), ran.stderr)  # 123: a row of the killed one may be unclear
            self.ends_whole(there)

    @unittest.skipUnless(shutil.which("parallel"), "GNU parallel is not installed")
    def test_gnu_parallel(self) -> None:
        ssh = self.folder / "ssh"
        ssh.write_text(SSH)
        ssh.chmod(0o755)
        script = self.recipe("parallel").replace("host1,host2,host3", "1/h1,1/h2,1/h3").replace(" -j 1", " --retries 3")
        script = script.replace("cd $PWD && ", "").replace("rows.jsonl", str(self.folder / "rows.jsonl"))
        script = script.replace("parallel ", f"parallel --ssh {ssh} --env DASHSCOPE_HTTP_BASE_URL ", 1)
        hosts = self.folder / "hosts"
        hosts.mkdir()
        with service("--delay", "0.5") as there:
            ran = self.shell(script, there.base, HOSTS=str(hosts), HOME=str(self.folder))
            self.assertTrue((hosts / "killed").exists(), ran.stderr)
            self.assertEqual(ran.returncode, 0, ran.stderr)
            for host in ("h1", "h2", "h3"):
                if (hosts / host / "out").exists():
                    subprocess.run(["cp", "-r", f"{hosts / host / 'out'}/.", self.folder / "out"], check=True)
            self.ends_whole(there)

    @unittest.skipUnless(
        all(map(shutil.which, SLURM)) and os.name == "posix" and os.geteuid() == 0, "no Slurm, or not root"
    )
    def test_slurm_array(self) -> None:
        script = self.recipe("SBATCH").replace("0-7", "0-2").replace("python3", sys.executable)
        job = self.folder / "job.sh"
        # short runs, so that each shard ends with 2 and comes back; the first start of a shard is killed
        job.write_text(script.replace("--timeout 3000", "--timeout 8 --at-once 2") + "\n")
        with service("--delay", "1") as there, Cluster(self.folder) as cluster:
            env = {**self.env(there.base), **cluster.env}
            subprocess.run(["sbatch", "--quiet", "--output", "job-%a.txt", job], cwd=self.folder, env=env, check=True)
            killed, nodes = False, set()
            end = time.monotonic() + 200
            while time.monotonic() < end:
                listed = subprocess.run(
                    ["squeue", "-h", "-r", "-o", "%i %T %N"], env=env, capture_output=True, text=True, check=True
                ).stdout.split("\n")
                jobs = [line.split() for line in listed if line.strip()]
                if not jobs:
                    break
                running = [fields for fields in jobs if fields[1] == "RUNNING"]
                nodes |= {fields[2] for fields in running if len(fields) > 2}
                if len(running) == 3 and not killed:
                    time.sleep(2)
                    subprocess.run(["scontrol", "requeue", running[0][0]], env=env, check=True)
                    killed = True
                for fields in jobs:
                    if fields[1] == "PENDING":  # Slurm waits two minutes before a job's next start
                        subprocess.run(["scontrol", "update", f"JobId={fields[0]}", "StartTime=now"], env=env)
                time.sleep(1)
            self.assertEqual(jobs, [], "the array did not end in time")
            self.assertTrue(killed)
            self.assertEqual(nodes, {"n1", "n2", "n3"})
            self.ends_whole(there)


class Cluster:
    """Slurm with three nodes on this machine, which lives in a folder and ends with the block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "slurm"
        self.env: Mapping[str, str] = {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def __enter__(self) -> Cluster:
        (self.folder / "state").mkdir(parents=True)
        port, *ports = (free_port() for _ in range(4))
        nodes = "".join(
            f"NodeName=n{number} NodeHostname=localhost NodeAddr=127.0.0.1 Port={each} CPUs=1 State=UNKNOWN\n"
            for number, each in enumerate(ports, 1)
        )
        (self.folder / "slurm.conf").write_text(CONFIGURATION.format(port=port, folder=self.folder, nodes=nodes))
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        self.start(
            "munged", "--force", "-S", self.folder / "munge.socket", "--key-file", key,
            "--pid-file", self.folder / "munged.pid", "--log-file", self.folder / "munged.log",
            "--seed-file", self.folder / "munge.seed",
        )  # fmt: skip
        self.start("slurmctld", "-c")
        for number in (1, 2, 3):
            self.start("slurmd", "-N", f"n{number}")
        for _ in range(60):
            told = subprocess.run(
                ["sinfo", "-h", "-o", "%T %D"], env=self.all_env, capture_output=True, text=True
            ).stdout
            if told.split() == ["idle", "3"]:
                return self
            time.sleep(0.5)
        self.__exit__()
        raise unittest.SkipTest(f"Slurm does not start here: {told}")

    @property
    def all_env(self) -> dict[str, str]:
        return {**os.environ, **self.env}

    def start(self, *words: object) -> None:
        subprocess.run([*map(str, words)], env=self.all_env, check=True, stdout=subprocess.DEVNULL)

    def __exit__(self, *_: object) -> None:
        for path in (*self.folder.glob("n*.pid"), self.folder / "slurmctld.pid", self.folder / "munged.pid"):
            try:
                os.kill(int(path.read_text()), 15)
            except (OSError, ValueError):
                continue
        time.sleep(1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    unittest.main()
