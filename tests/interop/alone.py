"""Run in a network namespace of its own, where domain 0 moves nobody: `alone.py ours|unmodified FOLDER`.

`ours`: the virtual Go2 beside Unitree's C++ client. `unmodified`: a participant with the SDK's message types as
shipped beside it. Prints the client's exit code and what it saw.
"""

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEER = str(Path(__file__).with_name("peer.py"))
SECONDS, Q_TARGET = 4.0, 0.321
UNMODIFIED = (
    "import time\n"
    "from unitree_sdk2py.core import channel\n"
    "from unitree_sdk2py.idl.unitree_go.msg.dds_ import LowCmd_\n"
    "from collect.link import _LOOPBACK_XML\n"
    "channel.ChannelConfigHasInterface = f\"<CycloneDDS><Domain Id='any'>{_LOOPBACK_XML}</Domain></CycloneDDS>\"\n"
    "channel.ChannelFactoryInitialize(0, 'lo')\n"
    "subscriber = channel.ChannelSubscriber('rt/lowcmd', LowCmd_)\n"
    "subscriber.Init()\n"
    "print('ready', flush=True)\n"
    "time.sleep(60)\n"
)


def raise_loopback() -> None:
    """A new namespace has its loopback interface down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        up_running = 0x1 | 0x40
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", up_running))  # SIOCSIFFLAGS


def start(*command: str) -> subprocess.Popen[str]:
    """A participant of ours, once it says that it is there."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "ready" in process.stdout.readline()
    return process


def main(which: str, folder: str) -> None:
    raise_loopback()
    if which == "ours":
        ours = start(sys.executable, "-m", "collect", "robot", "--domain", "0", "--truth", f"{folder}/truth.h5")
        release = "from collect.link import Link; from collect.switcher import MotionSwitcher; "
        release += "print(MotionSwitcher(Link('lo', 0), 'test').release())"
        subprocess.run([sys.executable, "-c", release], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    else:
        ours = start(sys.executable, "-c", UNMODIFIED)
    time.sleep(0.5)
    peer = subprocess.run(
        [sys.executable, PEER, str(SECONDS), str(Q_TARGET)], capture_output=True, text=True, timeout=60, check=False
    )
    alive = ours.poll() is None
    ours.send_signal(signal.SIGTERM)
    ours.wait(20)
    lines = [line for line in peer.stdout.splitlines() if line.startswith("{")]
    print(json.dumps({"peer": peer.returncode, "alive": alive, "saw": json.loads(lines[-1]) if lines else None}))


main(*sys.argv[1:])
