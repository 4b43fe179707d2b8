"""A process that reads HDF5 files in place of this one, since a damaged file can end or stop the process that reads it.

It takes one request a line from its standard input, JSON with ``path`` and ``max_bytes``, and answers each with a line:
``refused`` with the reason, empty where everything in the file was read. It ends with its input.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

import h5py

from ssdp_hw.errors import FileFormatError
from ssdp_hw.files.hdf5_guard import first_line, open_looked_at

# What the libraries themselves may take beside the arrays of a file, in bytes.
_OWN_MEMORY = 2 << 30


def read_everything(path: str, max_bytes: int) -> None:
    """Read every attribute and every value of a file, as a reader would.

    Raises:
        FileFormatError: see :func:`ssdp_hw.files.hdf5_guard.open_checked`.
        Exception: whatever the HDF5 library makes of a damaged file.
    """
    with open_looked_at(path, max_bytes) as file:

        def visit(_: str, item: Any) -> None:
            for name in item.attrs:
                item.attrs[name]
            if isinstance(item, h5py.Dataset):
                item[()]

        visit("/", file)
        file.visititems(visit)


def main() -> None:
    """Answer requests until there are no more."""
    for line in sys.stdin:
        request = json.loads(line)
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = int(request["max_bytes"]) * 2 + _OWN_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))
        reason = ""
        try:
            read_everything(request["path"], request["max_bytes"])
        except FileFormatError as error:
            reason = str(error)
        except Exception as error:  # whatever a damaged file leads to
            reason = f"{request['path']}: is damaged ({first_line(error)})"
        print(json.dumps({"refused": reason}), flush=True)


if __name__ == "__main__":
    main()
