"""The warm process of a run (`python -m merflow.warm FD PID`), whose forks are jobs.

A job that works for a second would otherwise import libraries for three to six. The process imports
them when the first job of a kind comes, and does nothing else. It has one thread, so that forks are
safe, and ends with the run. A fork has the terminal, the folder and the environment of its client
(merflow.start), and ends with its client.
"""

import contextlib
import fcntl
import gc
import json
import os
import select
import shutil
import signal
import socket
import socketserver
import sys
import traceback
from importlib import import_module
from pathlib import Path

from merflow import registry, usage
from merflow.errors import MerflowError
from merflow.main import main

#: Step -> modules that its jobs import, with libraries that they import late.
MODULES = {
    "checkpoint": ["merflow.checkpoints.fetch"],
    "fetch": ["merflow.corpora.fetch", "merflow.corpora.demo"],
    "prepare": ["merflow.corpora.prepare", "sklearn.model_selection"],
    "decode": ["merflow.media.step"],
    "assemble": ["merflow.media.step"],
    "extract": ["merflow.features.extract"],
    "merge": ["merflow.features.extract"],
    "train": ["merflow.training.run"],
    "gather": ["merflow.training.gather"],
    "score": ["merflow.evaluation.score"],
    "tables": ["merflow.tables.compare"],
    "sheet": ["merflow.tables.frame_sheet"],
    "report": ["merflow.tables.report"],
}
#: Libraries that the training of a network imports late, for what is fitted to inputs.
FITTED = [
    "sklearn.feature_selection",
    "sklearn.linear_model",
    "sklearn.pipeline",
    "sklearn.preprocessing",
]
#: Steps whose next argument names one more module.
REGISTRIES = {"extract": registry.EXTRACTORS, "train": registry.PAPERS}


class ForkedJob(socketserver.StreamRequestHandler):
    """A command line in a fork, answered with its exit status."""

    def handle(self) -> None:
        """Become the client's process: its terminal, folder and environment; end if it ends."""
        self.server.socket.close()  # type: ignore[attr-defined]
        request, files = self.request, self.server.files  # type: ignore[attr-defined]
        for target, file in enumerate(files):
            os.dup2(file, target)
            os.close(file)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # the client sends nothing more, so the next thing to read is the end of the connection;
        # then the kernel ends this process (SIGIO)
        fcntl.fcntl(request, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(request, fcntl.F_SETFL, fcntl.fcntl(request, fcntl.F_GETFL) | os.O_ASYNC)
        if select.select([request], [], [], 0)[0]:  # it had ended before
            return
        status = _run(self.server.line)  # type: ignore[attr-defined]
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        self.wfile.write(b"%d\n" % status)


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """Forks for each request, after importing what its step needs."""

    request_queue_size = 1024
    max_children = 1024
    block_on_close = False

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Read the request, import for it, and fork."""
        _, self.files, *_ = socket.recv_fds(request, 1, 3)
        try:
            with request.makefile("rb") as stream:
                self.line = json.loads(stream.readline())
            _import_for(self.line["arguments"])
            gc.freeze()  # objects made so far stay shared with the forks
            super().process_request(request, client_address)
        finally:
            for file in self.files:
                os.close(file)


def _import_for(arguments: list[str]) -> None:
    """Import what the step among `arguments` needs; the job itself reports a failed import."""
    step = next((argument for argument in arguments if argument in MODULES), None)
    if step is None:
        return
    with contextlib.suppress(ImportError, MerflowError):
        for name in MODULES[step]:
            import_module(name)
        name, system_name = [*arguments[arguments.index(step) + 1 :], "", ""][:2]
        if name not in REGISTRIES.get(step, {}):
            return
        module = import_module(REGISTRIES[step][name])
        if step == "train" and (system := module.SYSTEMS.get(system_name)):
            from merflow.training.run import kind_of

            kind_of(system)
            if "merflow.training.network" in sys.modules:
                for name in FITTED:
                    import_module(name)


def _run(request: dict) -> int:
    """Run the command line in this process; return its exit status."""
    usage.begin()
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = request["arguments"]
    try:
        main()
        return 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def serve(listening: socket.socket, owner: int) -> None:
    """Answer at a socket for as long as the process `owner` lives."""
    # an interrupt from the terminal is for the run, which ends its jobs
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = Server("", ForkedJob, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    with contextlib.suppress(ProcessLookupError):  # the owner has ended already
        life = os.pidfd_open(owner)  # readable once the owner has ended
        while life not in (ready := select.select([server.fileno(), life], [], [], 1.0)[0]):
            if ready:
                server.handle_request()
            server.service_actions()  # forget forks that have ended
    shutil.rmtree(Path(listening.getsockname()).parent, ignore_errors=True)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
