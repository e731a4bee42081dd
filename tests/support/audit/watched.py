"""A process that tells what it did beside computing: `python -B watched.py PLAN ANSWER`.

PLAN is JSON: calls, each a name and the arguments of a command, and folders to forecast. ANSWER gets the exit status
and the output of each, and all events of Python's own audit that write, start, connect, execute or unpickle.
"""

import contextlib
import io
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
# Which arguments of these events are paths, and which are the folders that those are relative to.
CHANGES = {
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.chmod": ((0, 2),),
    "os.utime": ((0, 3),),
    "os.truncate": ((0, None),),
    "os.setxattr": ((0, None),),
}
STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty"}
SOCKETS = {"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
FAILED = 3  # the status of what ended in a traceback

events: list[tuple[str, str, str]] = []  # during which call, of what kind, and what
now = ["import"]
busy = False


def path_of(path: Any, folder: Any = -1) -> str:
    """The absolute path behind an argument; empty for a descriptor, which was opened before."""
    if isinstance(path, int) or path is None:
        return ""
    within = isinstance(folder, int) and folder >= 0
    base = Path(f"/proc/self/fd/{folder}").readlink() if within else Path.cwd()
    return os.path.normpath(base / os.fsdecode(path))


def hook(event: str, arguments: tuple[Any, ...]) -> None:
    global busy
    if busy:
        return
    busy = True
    try:
        found = list(seen(event, arguments))
        events.extend((now[0], kind, what) for kind, what in found if what)
    finally:
        busy = False


def seen(event: str, arguments: tuple[Any, ...]) -> list[tuple[str, str]]:
    if event == "open":
        path, _, flags = arguments
        if flags & WRITES:
            return [("write", path_of(path))]
        return [("unpickle" if str(path).endswith(PICKLES) else "read", path_of(path))]
    if event in CHANGES:
        where = CHANGES[event]
        return [("write", path_of(arguments[p], -1 if d is None else arguments[d])) for p, d in where]
    if event in STARTS:
        return [
            (
                "start",
                f"{event} {[str(part) for part in list(arguments[1] or ())] if len(arguments) > 1 else arguments}",
            )
        ]
    if event in SOCKETS:
        return [("socket", f"{event} {arguments[-1] if event.endswith(('connect', 'bind')) else arguments}")]
    if event == "exec":
        return [("execute", arguments[0].co_filename)]
    if event in ("import", "ctypes.dlopen"):
        return [("execute", str(arguments[1 if event == "import" else 0] or ""))]
    if event == "pickle.find_class":
        return [("unpickle", f"{arguments[0]}.{arguments[1]}")]
    return []


def main(plan: dict[str, Any]) -> dict[str, Any]:
    sys.addaudithook(hook)
    run = "none"
    answers: dict[str, tuple[int, str]] = {}
    from app.__main__ import main as command  # noqa: PLC0415
    from app.foresight import foresee  # noqa: PLC0415
    from cache.database import Database  # noqa: PLC0415
    from core.errors import QuorumError  # noqa: PLC0415
    from core.records.spec import RunSpec  # noqa: PLC0415

    for name, arguments in plan["calls"]:
        now[0], said, refused = name, io.StringIO(), io.StringIO()
        arguments = [run if part == "THE RUN" else part for part in arguments]
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(refused):
            try:
                status = command(arguments)
            except Exception:  # a traceback is what the tests look for
                status = FAILED
                traceback.print_exc()
        if name == "run" and status == 0:
            run = json.loads(said.getvalue())["run"]
        answers[name] = (status, said.getvalue() if status == 0 else refused.getvalue())
    for name, folder in plan["forecasts"]:
        now[0] = name
        try:
            answers[name] = (0, str(foresee(Database(Path(plan["cache"])), [], RunSpec(model=folder, masks=20))))
        except QuorumError as error:
            answers[name] = (1, error.message)
        except Exception:  # likewise
            answers[name] = (FAILED, traceback.format_exc())
    return {"answers": answers, "events": list(dict.fromkeys(events))}


if __name__ == "__main__":
    asked, answer = map(Path, sys.argv[1:])
    asked_for = json.loads(asked.read_text())
    answer.write_text(json.dumps(main(asked_for)))
